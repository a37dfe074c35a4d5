"""Layers: what a reader of OpenRaster puts together from the file, compared with the result."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zipfile import ZIP_STORED, ZipFile

import imagecodecs
import numpy as np
import pytest
import torch
from fakes import SRGB, FakeBackground, FakeRestorer, brighter, no_stdin, noise_pixels, refuse_to_load
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from laa_cli.console import Screen
from laa_cli.detect.face import Face
from laa_cli.errors import Exit, LaaError, UsageError
from laa_cli.interfaces import RestoredFace
from laa_cli.options import Options
from laa_cli.photo import Metadata
from laa_cli.photo.header import PhotoHeader
from laa_cli.photo.limits import LAYERS_SUFFIX, upscaling_bytes
from laa_cli.photo.metadata.color_signals import BT709, SRGB_CURVE, Signals
from laa_cli.photo.metadata.icc import build_profile
from laa_cli.single.layers import LayeredPhoto, open_raster, with_profile
from laa_cli.single.plan import UpscaleRequest
from laa_cli.single.run import run
from laa_cli.upscale import Upscaler
from models.protocol import HR_SIZE

Floats = NDArray[np.float64]
UPRIGHT = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))


def face(x: float, y: float, size: float, roll_deg: float = 0.0) -> Face:
    turn = np.exp(1j * np.deg2rad(roll_deg))
    points = [(complex(a - 0.5, b - 0.5) * turn) * size + complex(x + size / 2, y + size / 2) for a, b in UPRIGHT]
    return Face((x, y, x + size, y + size), 0.99, tuple((point.real, point.imag) for point in points))


APART = [face(4, 6, 16), face(44, 20, 20, 30), face(50, -6, 14)]  # upright, rolled, over the edge


@FakeRestorer
def noisy_faces(crops: list[Tensor]) -> list[RestoredFace]:
    """Noise over the full range, another one for each face."""
    random = torch.Generator().manual_seed(3)
    return [RestoredFace(torch.rand(3, HR_SIZE, HR_SIZE, generator=random), 0.5, 0.1) for _ in crops]


@FakeRestorer
def black_faces(crops: list[Tensor]) -> list[RestoredFace]:
    return [RestoredFace(torch.zeros(3, HR_SIZE, HR_SIZE), 0.5, 0.1) for _ in crops]


def layered(
    pixels: np.ndarray,
    faces: list[Face],
    background: FakeBackground | None = None,
    restore: FakeRestorer = noisy_faces,
) -> LayeredPhoto:
    upscaler = Upscaler(lambda rgb: faces, restore, background)
    prepared = upscaler.prepare(pixels, Options(scale=2))
    result = upscaler.finish(prepared, restore(prepared.crops), keep_layers=True)
    assert result.layers is not None
    return LayeredPhoto(pixels, result.pixels, result.layers, result.background, Metadata())


def read(content: bytes) -> tuple[ElementTree.Element, dict[str, np.ndarray]]:
    """The stack's description and the pictures, (h, w, c) with colours as RGB."""
    with ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        first = archive.infolist()[0]
        assert (first.filename, first.compress_type, archive.read(first)) == ("mimetype", ZIP_STORED, b"image/openraster")
        assert content[30:54] == b"mimetypeimage/openraster"  # where `file` and desktops look for it
        root = ElementTree.fromstring(archive.read("stack.xml"))
        return root, {name: decode(archive.read(name)) for name in archive.namelist() if name.endswith(".png")}


def decode(content: bytes) -> np.ndarray:
    pixels = imagecodecs.png_decode(content)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def composed(root: ElementTree.Element, pictures: dict[str, np.ndarray]) -> tuple[Floats, Floats]:
    """Puts the layers together as the format demands, slowly: colours (h, w, c) in levels, and alpha (h, w, 1) in [0, 1]."""
    top = np.iinfo(pictures["mergedimage.png"].dtype).max
    height, width = int(root.attrib["h"]), int(root.attrib["w"])
    colours, alpha = np.zeros((height, width, 3)), np.zeros((height, width, 1))
    for layer in reversed(root.findall("stack/layer")):
        if layer.attrib["visibility"] == "hidden":
            continue
        picture, x, y = pictures[layer.attrib["src"]], int(layer.attrib["x"]), int(layer.attrib["y"])
        there = np.s_[y : y + picture.shape[0], x : x + picture.shape[1]]
        clear = picture.shape[2] in (2, 4)
        share = picture[..., -1:] / top if clear else np.ones((*picture.shape[:2], 1))
        source = picture[..., :-1] if clear else picture
        below = alpha[there]
        above = share * below if layer.attrib["composite-op"] == "svg:src-atop" else share
        total = above + below * (1 - share)
        mixed = source * above + colours[there] * below * (1 - share)
        colours[there] = np.where(total > 0, mixed / np.maximum(total, 1e-9), source)
        alpha[there] = total
    return colours, alpha


def build(photo: LayeredPhoto) -> bytes:
    return b"".join(open_raster(photo))


@pytest.mark.parametrize("background", [None, FakeBackground()])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_layers_put_together_are_the_result(channels: int, dtype: type, background: FakeBackground | None) -> None:
    photo = layered(noise_pixels(channels, dtype, 48, 72), APART, background)
    root, pictures = read(build(photo))
    result = photo.result
    assert all(picture.dtype == dtype for name, picture in pictures.items() if "thumb" not in name)
    assert np.array_equal(pictures["mergedimage.png"], result)
    colours, alpha = composed(root, pictures)
    clear = channels in (2, 4)
    seen = result[..., -1:] > 0 if clear else np.ones((96, 144, 1), bool)
    expected = result[..., :-1] if clear else result
    assert np.abs(np.rint(colours) - expected)[np.broadcast_to(seen, colours.shape)].max() <= 1
    assert np.abs(alpha * np.iinfo(dtype).max - (result[..., -1:] if clear else np.iinfo(dtype).max)).max() <= 1
    assert len(root.findall("stack/layer")) == 3 + 1 + (background is not None)


def test_of_overlapping_faces_the_photo_shines_through_alike() -> None:
    """Where both have one colour, how much of the photo is left is all that decides."""
    photo, faces = np.full((60, 60, 3), 200, np.uint8), [face(10, 10, 20), face(20, 18, 20)]
    colours, _ = composed(*read(build(layered(photo, faces, restore=black_faces))))
    expected = Upscaler(lambda rgb: faces, black_faces)(photo, Options(scale=2)).pixels
    assert expected.min() == 0
    assert np.abs(colours - expected).max() <= 1.5


def test_the_stack_says_what_each_layer_is() -> None:
    photo = layered(noise_pixels(3, np.uint8, 48, 72), APART, FakeBackground())
    photo = replace(photo, metadata=Metadata(dpi=(300.2, 299.6), icc=SRGB, xmp=b"<secret/>"))
    content = build(photo)
    root, pictures = read(content)
    assert root.attrib == {"version": "0.0.3", "w": "144", "h": "96", "xres": "300", "yres": "300"}
    names = [layer.attrib["name"] for layer in root.findall("stack/layer")]
    assert names == ["face 1", "face 2", "face 3", "background fake", "photo, enlarged plainly"]
    assert max(pictures["Thumbnails/thumbnail.png"].shape) <= 256
    with ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist()[2:]:
            with Image.open(io.BytesIO(archive.read(name))) as picture:
                picture.load()
                assert picture.info["icc_profile"] == SRGB
                assert round(picture.info["dpi"][0]) == 300
    assert b"secret" not in content


def test_colours_are_said_by_a_profile_where_one_can_say_them() -> None:
    wide, hdr = (Signals(((b"cICP", bytes((12, transfer, 0, 1))),)) for transfer in (13, 16))
    srgb = build_profile(BT709, SRGB_CURVE, 3)
    assert (
        with_profile(Metadata(), 3) == with_profile(Metadata(icc=build_profile(BT709, SRGB_CURVE, 1)), 3) == Metadata(icc=srgb)
    )
    assert with_profile(Metadata(icc=srgb, color=wide), 3).icc not in (srgb, None)
    assert with_profile(Metadata(icc=SRGB, color=hdr), 3) == Metadata(icc=SRGB, color=hdr)


def test_a_large_result_has_a_small_thumbnail() -> None:
    photo = layered(noise_pixels(4, np.uint16, 200, 300), [])
    thumbnail = read(build(photo))[1]["Thumbnails/thumbnail.png"]
    assert (thumbnail.shape, thumbnail.dtype) == ((171, 256, 4), np.uint8)


def test_names_are_kept_but_for_what_xml_cannot_hold() -> None:
    photo = layered(noise_pixels(3, np.uint8, 48, 72), APART)
    given = ['<Anna> & "Bo\'s"', "a\0b\x1b[31m\nc\u202ed\ud800\uffff", "Zoë 你好 🙂"]
    faces = tuple(replace(each, name=name) for each, name in zip(photo.layers.faces, given, strict=True))
    root, _ = read(build(replace(photo, layers=replace(photo.layers, faces=faces))))
    names = [layer.attrib["name"] for layer in root.findall("stack/layer")]
    assert names[:3] == ['face 1: <Anna> & "Bo\'s"', "face 2: ab[31mcd", "face 3: Zoë 你好 🙂"]


def test_the_same_photo_gives_the_same_bytes() -> None:
    one, other = (build(layered(noise_pixels(3, np.uint8, 48, 72), APART)) for _ in range(2))
    assert one == other


def test_numbers_are_those_of_all_faces_and_a_face_outside_has_no_layer() -> None:
    faces = [face(0, 0, 90), face(4, 6, 16), face(-300, 0, 16), face(44, 20, 16)]
    photo = layered(noise_pixels(3, np.uint8, 48, 72), faces)
    assert [each.number for each in photo.layers.faces] == [2, 4]


def test_nothing_is_kept_unless_asked_for() -> None:
    assert Upscaler(lambda rgb: APART, brighter)(noise_pixels(3, np.uint8, 48, 72), Options(scale=2)).layers is None


def test_a_file_over_2_gb_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laa_cli.single.layers.ZIP64_BYTES", 1)
    photo = layered(noise_pixels(3, np.uint8, 48, 72), APART)
    assert np.array_equal(read(build(photo))[1]["mergedimage.png"], photo.result)


def test_layers_count_where_memory_is_short() -> None:
    header = PhotoHeader("JPEG", 4000, 3000, 3)
    without, layers = (upscaling_bytes(header, 4, suffix=suffix) for suffix in (".jpg", LAYERS_SUFFIX))
    assert layers - without == 3 * 16 * header.pixels


# `laa upscale --layers`


def upscale(inputs: list[Path], load: Any = None, **request: Any) -> Exit:
    loaded = Upscaler(lambda rgb: APART, brighter)
    return run(inputs, UpscaleRequest(options=Options(scale=2), **request), load or (lambda: loaded), Screen(), no_stdin)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(noise_pixels(3, np.uint8, 48, 72)).save(path)
    return path


def test_layers_are_written_beside_the_result(photo: Path, tmp_path: Path) -> None:
    assert upscale([photo], layers=tmp_path / "new" / "photo.ora") == Exit.OK
    _, pictures = read((tmp_path / "new" / "photo.ora").read_bytes())
    assert np.array_equal(pictures["mergedimage.png"], decode((tmp_path / "photo_x2.png").read_bytes()))


def test_layers_of_several_photos_go_into_a_folder(photo: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jpg"
    Image.open(photo).save(other)
    assert upscale([photo, other], layers=f"{tmp_path}/layers/") == Exit.OK
    assert sorted(os.listdir(tmp_path / "layers")) == ["other_x2.ora", "photo_x2.ora"]
    with pytest.raises(LaaError, match=r"layers .*one\.ora is a file, but a folder is needed"):
        upscale([photo, other], refuse_to_load, layers=tmp_path / "one.ora")
    with pytest.raises(LaaError, match="written twice"):
        upscale([photo, photo.with_suffix(".jpg")], refuse_to_load, layers=tmp_path, output=tmp_path / "out")


@pytest.mark.parametrize("name", ["layers.zip", "layers.png", "layers.ora.bak"])
def test_another_suffix_is_refused_before_any_work(photo: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=rf"layers .*{name} is no \.ora file: name it .*\.ora$"):
        upscale([photo], refuse_to_load, layers=tmp_path / name)
    with pytest.raises(UsageError, match="layers - is not possible"):
        upscale([photo], refuse_to_load, layers="-")
    assert os.listdir(tmp_path) == ["photo.png"]


def test_existing_layers_are_kept_and_nothing_is_done(photo: Path, tmp_path: Path) -> None:
    target = tmp_path / "photo.ora"
    target.write_bytes(b"precious")
    assert upscale([photo], refuse_to_load, layers=target) == Exit.FAILED
    assert target.read_bytes() == b"precious"
    assert upscale([photo], layers=target, overwrite=True) == Exit.OK
    assert target.read_bytes() != b"precious"
