"""TIFF, and PNG with 16 bits: what laa writes, other libraries read."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from fakes import SRGB, decode_photo, noise_pixels
from PIL import Image

from laa_cli.photo import Metadata, Photo, encode_photo, tiff_encoding


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_opencv_reads_the_same_16_bits(suffix: str, channels: int) -> None:
    pixels = noise_pixels(channels, np.uint16)
    content = encode_photo(Photo(pixels, Metadata(icc=SRGB, dpi=(72, 72))), suffix)
    bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert bgr is not None
    np.testing.assert_array_equal(bgr[:, :, [2, 1, 0, 3][:channels]], pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_files_of_many_blocks(suffix: str, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laa_cli.photo.pixels.BLOCK_BYTES", 300)
    monkeypatch.setattr("laa_cli.photo.png_encoding.STRIP_BYTES", 300)
    pixels = noise_pixels(3, dtype, 41, 37)
    np.testing.assert_array_equal(decode_photo(encode_photo(Photo(pixels), suffix)).pixels, pixels)


def test_large_tiffs_become_bigtiff(monkeypatch: pytest.MonkeyPatch, metadata: Metadata) -> None:
    monkeypatch.setattr(tiff_encoding, "CLASSIC_TIFF_BYTES", 100)
    monkeypatch.setattr("laa_cli.photo.pixels.BLOCK_BYTES", 300)
    pixels = noise_pixels(3, np.uint16, 41, 37)
    content = encode_photo(Photo(pixels, metadata), ".tif")
    assert content[:4] == b"II+\0"
    photo = decode_photo(content)
    np.testing.assert_array_equal(photo.pixels, pixels)
    assert (photo.metadata.icc, photo.metadata.dpi) == (SRGB, (300, 240))
    with Image.open(io.BytesIO(content)) as image:
        assert image.getexif().get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
