"""A TIFF's samples become pixels: bits, palettes, L*a*b*, alpha."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import decode_photo
from tiffs import channels, packed, samples, write


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 14])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite", "rgb"])
@pytest.mark.parametrize("order", "<>")
def test_other_numbers_of_bits_fill_their_range(bits: int, photometric: str, order: str) -> None:
    dtype, top = (np.uint8 if bits <= 8 else np.uint16), (1 << bits) - 1
    array = samples(3 if photometric == "rgb" else 1, dtype, top)
    full = np.iinfo(dtype).max
    expected = channels(np.rint(array * (full / top)).astype(dtype))
    pixels = decode_photo(packed(array, bits, byteorder=order, photometric=photometric)).pixels
    np.testing.assert_array_equal(pixels, full - expected if photometric == "miniswhite" else expected)


def test_palettes_give_the_colours_of_their_table() -> None:
    colormap = samples(3, np.uint16).reshape(-1)[: 3 * 256].reshape(3, 256)
    index = samples(1, np.uint8)
    pixels = decode_photo(write(index, photometric="palette", colormap=colormap)).pixels
    np.testing.assert_array_equal(pixels, (colormap.T // 256).astype(np.uint8)[index])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("count", [2, 4])
def test_premultiplied_alpha_is_undone(dtype: type, count: int) -> None:
    top = np.iinfo(dtype).max
    array = np.full((3, 4, count), top // 4, dtype)
    array[..., -1] = top // 2
    photometric = "rgb" if count == 4 else "minisblack"
    pixels = decode_photo(write(array, photometric=photometric, extrasamples=["assocalpha"])).pixels
    assert abs(int(pixels[0, 0, 0]) - top // 2) <= top // 100
    assert pixels[0, 0, -1] == top // 2


@pytest.mark.parametrize(("photometric", "neutral"), [("cielab", 0), ("icclab", 128)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lab_becomes_srgb(photometric: str, neutral: int, dtype: type) -> None:
    array = np.zeros((4, 5, 3), np.uint8)
    array[...] = 128, neutral, neutral
    array = array if dtype == np.uint8 else array.astype(np.uint16) * 257
    pixels = decode_photo(write(array, photometric=photometric)).pixels
    assert pixels.shape == (4, 5, 3)
    assert np.ptp(pixels) <= 3
    assert abs(int(pixels.mean()) - 119) <= 3  # L* = 50
