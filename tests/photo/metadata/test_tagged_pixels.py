"""The eight orientations and both kinds of tags: what is tagged before and after, in the file's own pixels, is one patch."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import decode_photo
from hypothesis import given, settings
from hypothesis import strategies as st
from metadata_samples import CAPTION, face_regions, xmp_packet

from laa_cli.photo import Photo, encode_photo
from laa_cli.photo.metadata.png_chunks import chunk

WIDTH, HEIGHT = 40, 28
PATCH = (250, 10, 60)
KINDS = ("MWG", "Microsoft")
EXIFTOOL = shutil.which("exiftool")
Box = tuple[int, int, int, int]  # left, top, width, height


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x, y = draw(st.integers(0, WIDTH - 2)), draw(st.integers(0, HEIGHT - 2))
    return x, y, draw(st.integers(2, WIDTH - x)), draw(st.integers(2, HEIGHT - y))


def painted(box: Box) -> np.ndarray:
    """A grey picture with a patch in it."""
    x, y, w, h = box
    pixels = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    pixels[y : y + h, x : x + w] = PATCH
    return pixels


def tagged(box: Box, orientation: int, kind: str, unit: str = "normalized") -> bytes:
    """A photo stored in that orientation, with a tag of one kind on its patch."""
    x, y, w, h = (Decimal(value) for value in box)
    across, down = (1, 1) if unit == "pixel" else (WIDTH, HEIGHT)
    area = ((x + w / 2) / across, (y + h / 2) / down, w / across, h / down)
    rectangle = ", ".join(f"{value:.12f}" for value in (x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT))
    both = face_regions(WIDTH, HEIGHT, tuple(f"{value:.12f}" for value in area), rectangle, unit)
    middle = both.index("<MP:RegionInfo>")
    exif = b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0" + bytes([orientation]) + b"\0\0\0\0\0\0"
    packet = xmp_packet(CAPTION + (both[:middle] if kind == "MWG" else both[middle:]))
    plain = encode_photo(Photo(painted(box)), ".png")
    return plain[:33] + chunk(b"eXIf", exif) + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet) + plain[33:]


def enlarged(content: bytes, scale: int) -> Photo:
    """What laa reads from the file that it writes of a photo, enlarged."""
    photo = decode_photo(content)
    larger = photo.with_pixels(photo.pixels.repeat(scale, 0).repeat(scale, 1))
    return decode_photo(encode_photo(larger, ".png"))


def patch_box(pixels: np.ndarray) -> tuple[int, int, int, int]:
    """Where the patch is: left, top, right, bottom."""
    rows, columns = np.nonzero((pixels == PATCH).all(2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    st.integers(1, 8), st.sampled_from([*KINDS]), boxes(), st.sampled_from([1, 2, 4]), st.sampled_from(["normalized", "pixel"])
)
def test_laa_reads_the_tag_where_the_face_is(orientation: int, kind: str, box: Box, scale: int, unit: str) -> None:
    photo = enlarged(tagged(box, orientation, kind, unit), scale)
    (tag,) = photo.face_tags
    assert tag.name == "Ada"
    np.testing.assert_allclose(tag.box_xyxy, patch_box(photo.pixels), atol=1e-6)


def regions_by_exiftool(folder: Path) -> Iterator[tuple[str, tuple[float, ...], dict[str, Any]]]:
    """Each file's name, its box in pixels of the file, and all that exiftool reads."""
    assert EXIFTOOL is not None
    options = ["-j", "-struct", "-n", "-RegionInfo", "-RegionInfoMP", "-ImageSize", "-Orientation", "-Warning"]
    found = subprocess.run([EXIFTOOL, *options, str(folder)], check=True, capture_output=True, timeout=120)
    for read in json.loads(found.stdout):
        width, height = (int(side) for side in read["ImageSize"].split())
        if "RegionInfo" in read:
            area = read["RegionInfo"]["RegionList"][0]["Area"]
            w, h = area["W"] * width, area["H"] * height
            x, y = area["X"] * width - w / 2, area["Y"] * height - h / 2
        else:
            x, y, w, h = (float(part) for part in read["RegionInfoMP"]["Regions"][0]["Rectangle"].split(","))
            x, y, w, h = x * width, y * height, w * width, h * height
        yield Path(read["SourceFile"]).name, (x, y, x + w, y + h), read


@pytest.mark.skipif(not EXIFTOOL, reason="exiftool is not installed")
def test_exiftool_reads_the_tag_where_the_face_is(tmp_path: Path) -> None:
    places = {}
    for orientation in range(1, 9):
        for kind in KINDS:
            for scale in (1, 4):
                photo = enlarged(tagged((5, 3, 12, 7), orientation, kind), scale)
                name = f"{orientation}-{kind}-{scale}.png"
                (tmp_path / name).write_bytes(encode_photo(photo, ".png"))
                places[name] = patch_box(photo.pixels)
    found = list(regions_by_exiftool(tmp_path))
    assert len(found) == len(places) == 32
    for name, box, read in found:
        np.testing.assert_allclose(box, places[name], atol=1e-3)
        assert read.get("Orientation", 1) == 1
        assert "Warning" not in read
        if "RegionInfo" in read:
            size = read["RegionInfo"]["AppliedToDimensions"]
            assert f"{size['W']} {size['H']}" == read["ImageSize"]
