"""Reading metadata: all kinds of damage, and stripping."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from fakes import PHOTO_SUFFIXES, decode_photo, encode_image
from hypothesis import given, settings
from hypothesis import strategies as st
from metadata_samples import CAPTION, captioned_tiff, png, ten_photos, wave_image, xmp_packet
from PIL import Image

from laa_cli.errors import LaaError
from laa_cli.photo import Metadata, encode_photo, left_out, without_metadata

PHOTOS = ten_photos()
KEPT_GROUPS = {
    "SourceFile",
    "ExifTool",
    "System",
    "File",
    "JFIF",
    "PNG",
    "PNG-cICP",
    "PNG-pHYs",
    "RIFF",
    "Composite",
    "ICC_Profile",
}


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("suffix", PHOTO_SUFFIXES)
def test_stripping_is_complete(name: str, suffix: str) -> None:
    bare = without_metadata(decode_photo(PHOTOS[name]))
    again = decode_photo(encode_photo(bare, suffix)).metadata
    dpi = again.dpi if suffix == ".bmp" else None  # the format always says one
    assert again == Metadata(icc=again.icc, color=again.color, dpi=dpi)
    labels = [label for label in left_out(bare, suffix) if "colour" not in label and "brightness" not in label]
    assert labels == []


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="there is no exiftool")
@pytest.mark.parametrize("name", PHOTOS)
def test_exiftool_finds_nothing_in_stripped_photos(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(encode_photo(without_metadata(decode_photo(PHOTOS[name])), path.suffix))
    listing = json.loads(subprocess.run(["exiftool", "-j", "-a", "-G1", str(path)], capture_output=True, check=True).stdout)[0]
    tags = {tag for tag in listing if tag.split(":")[0] not in KEPT_GROUPS and not tag.startswith("ICC-")}
    storage = ("ImageWidth", "ImageHeight", "BitsPerSample", "Compression", "Photometric", "Strip", "Samples", "Rows", "Planar",
               "Predictor")  # fmt: skip
    assert {tag for tag in tags if not tag.startswith(tuple(f"IFD0:{word}" for word in storage))} == set()
    assert not {"PNG:Title", "PNG:Comment", "PNG:ModifyDate"} & listing.keys()


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="there is no exiftool")
@pytest.mark.parametrize("name", PHOTOS)
def test_exiftool_finds_no_fault_in_what_is_written(name: str, tmp_path: Path) -> None:
    photo = decode_photo(PHOTOS[name])
    for suffix in PHOTO_SUFFIXES:
        (tmp_path / f"photo{suffix}").write_bytes(encode_photo(photo, suffix))
    command = ["exiftool", "-a", "-warning", "-error", "-q", "-q", str(tmp_path)]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b""


@pytest.mark.parametrize("packet", [xmp_packet()[:-900], b"no XML", b"<!DOCTYPE a><a/>"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_damaged_xmp_is_left_out_and_named(packet: bytes, kind: str) -> None:
    if kind == "PNG":
        content = png((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet))
    elif kind == "TIFF":
        content = encode_image(wave_image(), kind, tiffinfo={700: packet})
    else:
        content = encode_image(wave_image(), kind, xmp=packet)
    photo = decode_photo(content)
    assert (photo.metadata.xmp, photo.metadata.left_out) == (None, ("damaged XMP",))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "WEBP", "AVIF"])
def test_damaged_profiles_are_named(kind: str) -> None:
    assert decode_photo(encode_image(wave_image(), kind, icc_profile=b"\0" * 200)).metadata.left_out == (
        "damaged colour profile",
    )


def test_cmyk_loses_no_profile() -> None:
    assert decode_photo(encode_image(wave_image().convert("CMYK"), "JPEG", icc_profile=b"\0" * 200)).metadata.left_out == ()


def test_xmp_in_gif() -> None:
    content = encode_image(wave_image().quantize(8), "GIF")
    trailer = b"\1" + bytes(range(255, -1, -1)) + b"\0"
    block = b"!\xff\x0bXMP DataXMP" + xmp_packet(CAPTION) + trailer
    start = content.index(b",", 13 + 3 * 2 ** ((content[10] & 7) + 1))
    assert decode_photo(content[:start] + block + content[start:]).metadata.xmp == xmp_packet(CAPTION)


def test_tiff_without_a_resolution_has_none() -> None:
    assert decode_photo(encode_image(wave_image(), "TIFF")).metadata.dpi is None
    assert decode_photo(encode_image(wave_image(), "TIFF", dpi=(300, 200))).metadata.dpi == (300, 200)
    centimetres = encode_image(wave_image(), "TIFF", resolution_unit=3, x_resolution=100, y_resolution=100)
    assert decode_photo(centimetres).metadata.dpi == (254, 254)


def test_jpegs_take_the_resolution_of_exif() -> None:
    exif = Image.Exif()
    exif[282], exif[283], exif[296] = 300.0, 300.0, 2
    assert decode_photo(encode_image(wave_image(), "JPEG", exif=exif)).metadata.dpi == (300, 300)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(sorted(PHOTOS)), st.data())
def test_no_damage_raises_anything_else(name: str, data: st.DataObject) -> None:
    content = bytearray(PHOTOS[name])
    for _ in range(data.draw(st.integers(1, 12))):
        near = data.draw(st.sampled_from([len(content), min(len(content), 2000)]))
        content[data.draw(st.integers(0, near - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(len(content) // 2, len(content))) :]
    try:
        photo = decode_photo(bytes(content))
    except LaaError:
        return
    larger = photo.with_pixels(photo.pixels.repeat(2, 0).repeat(2, 1))
    for suffix in (".jpg", ".png", ".tif"):
        again = decode_photo(encode_photo(larger, suffix)).metadata
        assert again.left_out == ()
        assert (again.iptc, again.photoshop) == (larger.metadata.iptc, larger.metadata.photoshop)
    assert "\x1b" not in "".join(left_out(larger, ".bmp"))


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_damage_in_a_tiffs_captions_costs_nothing(data: st.DataObject) -> None:
    whole = captioned_tiff()
    content = bytearray(whole)
    start, end = whole.index(b"<?xpacket"), whole.index(b"Ada")
    for _ in range(data.draw(st.integers(1, 12))):
        content[data.draw(st.integers(start, end))] = data.draw(st.integers(0, 255))
    np.testing.assert_array_equal(decode_photo(bytes(content)).pixels, decode_photo(whole).pixels)
