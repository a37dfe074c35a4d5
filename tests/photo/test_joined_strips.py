"""Strips: joined they are what one piece would be, whatever the number of threads, and they bound the memory."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest
import torch
from fakes import PHOTO_SUFFIXES, ROOT, SRGB, decode_photo, noise_pixels, ramp_pixels
from PIL import Image

from laa_cli.photo import Metadata, Photo, encode_photo
from laa_cli.photo.pixels import Pixels

ROWS = 64  # of a JPEG's strip, at least


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def small_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laa_cli.photo.pixels.BLOCK_BYTES", 1000)
    monkeypatch.setattr("laa_cli.photo.png_encoding.STRIP_BYTES", 1000)


def tall_picture(channels: int, dtype: type, height: int, width: int = 37) -> Pixels:
    """A ramp with some noise, of which no two strips are alike."""
    ramp = np.add.outer(np.arange(height), np.arange(width))[..., None] * np.arange(1, channels + 1)
    top = np.iinfo(dtype).max
    return ((ramp % 256) * (top // 255) * 0.8 + noise_pixels(channels, dtype, height, width) * 0.2).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("height", [ROWS, ROWS + 1, 3 * ROWS + 13])
@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_joined_strips_show_what_one_piece_does(
    suffix: str, height: int, channels: int, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = Photo(tall_picture(channels, dtype, height))
    whole = encode_photo(photo, suffix)
    small_strips(monkeypatch)
    joined = encode_photo(photo, suffix)
    np.testing.assert_array_equal(decode_photo(joined).pixels, decode_photo(whole).pixels)
    assert (joined == whole) == (suffix == ".bmp" or height == ROWS)
    assert len(joined) < 1.02 * len(whole) + 4 * height


def test_a_jpeg_of_strips_keeps_its_metadata(metadata: Metadata, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = Photo(tall_picture(3, np.uint8, 5 * ROWS), metadata)
    whole = decode_photo(encode_photo(photo, ".jpg")).metadata
    small_strips(monkeypatch)
    content = encode_photo(photo, ".jpg")
    assert decode_photo(content).metadata == whole
    assert content.count(SRGB[:200]) == 1


def test_every_restart_marker_is_there_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    small_strips(monkeypatch)
    content = encode_photo(Photo(tall_picture(3, np.uint8, 2 * ROWS + 20)), ".jpg")
    markers = [second for first, second in pairwise(content) if first == 0xFF and 0xD0 <= second <= 0xD7]
    assert markers[-18:] == [0xD0 + row % 8 for row in range(18)]  # between 19 rows of blocks
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == (37, 2 * ROWS + 20)
        image.load()


@pytest.mark.parametrize("suffix", PHOTO_SUFFIXES)
def test_bytes_do_not_depend_on_the_number_of_threads(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small_strips(monkeypatch)
    photo = Photo(tall_picture(3, np.uint8, 4 * ROWS + 5))
    contents = []
    for count in (1, 3):
        with threads(count):
            contents.append(encode_photo(photo, suffix))
    assert contents[0] == contents[1]


def test_small_jpegs_are_one_piece() -> None:
    content, buffer = encode_photo(Photo(ramp_pixels()), ".jpg"), io.BytesIO()
    Image.fromarray(ramp_pixels()).save(buffer, "JPEG", quality=95, subsampling=0)
    assert content == buffer.getvalue()


MEASURE = """
import sys
from pathlib import Path
import numpy as np, torch
from laa_cli.photo import Photo, encode_photo

def resident(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) << 10

torch.set_num_threads(1)
encode_photo(Photo(np.zeros((8, 8, 3), np.uint8)), sys.argv[1])
pixels = np.full((10_000, 4_000, 3), 100, np.uint8)
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = resident("VmRSS")
print(len(encode_photo(Photo(pixels), sys.argv[1])), resident("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_no_copy_of_the_whole_photo_is_made_beside_its_file(suffix: str) -> None:
    command = [sys.executable, "-c", MEASURE, suffix]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    file_bytes, taken = map(int, result.stdout.split())
    assert taken < file_bytes + (80 << 20)  # Pillow's copy alone is 153 MiB
