"""Encoding: what is written is what was computed, in every format."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import PHOTO_SUFFIXES, decode_photo, noise_pixels, ramp_pixels

from laa_cli.errors import Exit, LaaError
from laa_cli.photo import Photo, check_output, encode_photo

LOSSLESS = [".png", ".tif", ".bmp"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_png_and_tiff_are_exact(suffix: str, channels: int, dtype: type) -> None:
    pixels = noise_pixels(channels, dtype)
    again = decode_photo(encode_photo(Photo(pixels), suffix)).pixels
    if (suffix, channels, dtype) == (".tif", 2, np.uint16):  # written as RGBA
        pixels = pixels[:, :, [0, 0, 0, 1]]
    assert again.dtype == dtype
    assert again.flags.c_contiguous
    assert again.flags.writeable
    np.testing.assert_array_equal(again, pixels)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", PHOTO_SUFFIXES)
def test_every_format_keeps_the_picture(suffix: str, channels: int) -> None:
    pixels = ramp_pixels(channels)
    again = decode_photo(encode_photo(Photo(pixels), suffix)).pixels
    assert again.shape[2] == (3 if suffix == ".webp" else channels)
    assert np.abs(again.astype(int) - pixels).max() <= (0 if suffix in LOSSLESS else 6)


@pytest.mark.parametrize("suffix", PHOTO_SUFFIXES)
def test_16_bits_are_rounded_where_only_8_fit(suffix: str) -> None:
    deep = ramp_pixels().astype(np.uint16) * 257 + 100
    again = decode_photo(encode_photo(Photo(deep), suffix)).pixels
    expected = deep if suffix in (".png", ".tif") else ramp_pixels()
    assert again.dtype == expected.dtype
    assert np.abs(again.astype(int) - expected).max() <= (0 if suffix in LOSSLESS else 6)


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("suffix", PHOTO_SUFFIXES)
def test_alpha_is_kept_or_laid_over_white(suffix: str, channels: int) -> None:
    pixels = np.zeros((16, 32, channels), np.uint8)
    pixels[:, 16:, -1] = 255
    again = decode_photo(encode_photo(Photo(pixels), suffix)).pixels
    if suffix in (".jpg", ".bmp"):
        assert again.shape[2] == channels - 1
        assert again[:, :15].min() >= 250
        assert again[:, 17:].max() <= 5
    else:
        assert again.shape[2] == (4 if suffix in (".webp", ".avif") else channels)
        np.testing.assert_array_equal(again[:, :, -1], pixels[:, :, -1])


@pytest.mark.parametrize("suffix", [".gif", ".heic", "", ".jp2"])
def test_formats_that_are_not_written(suffix: str) -> None:
    with pytest.raises(LaaError, match=r"\.avif, \.bmp") as caught:
        check_output(suffix, 4, 4, "x")
    assert caught.value.code == Exit.USAGE


@pytest.mark.parametrize(
    ("suffix", "width", "height"),
    [(".jpg", 65501, 1), (".webp", 1, 16384), (".avif", 32769, 1), (".avif", 20000, 20000), (".bmp", 40000, 40000)],
)
def test_sizes_that_do_not_fit(suffix: str, width: int, height: int) -> None:
    with pytest.raises(LaaError, match=rf"{width}x{height}.*choose \.png or \.tif"):
        check_output(suffix, width, height, "x")
    check_output(".png", width, height, "x")
    check_output(".tif", width, height, "x")


@pytest.mark.parametrize(("suffix", "longest"), [(".jpg", 65500), (".webp", 16383)])
def test_the_longest_sides_are_written(suffix: str, longest: int) -> None:
    assert decode_photo(encode_photo(Photo(np.zeros((1, longest, 3), np.uint8)), suffix)).width == longest
