"""Alignment: squares around faces, and their crops, reflected at the photo's edge and rotated upright."""

from __future__ import annotations

import cv2
import numpy as np
from fakes import noise_pixels, wave_pixels
from hypothesis import given
from hypothesis import strategies as st

from laa_cli.restore.alignment import Square, crop_square, crop_upright, square_around

sides = st.integers(1, 40)
corners = st.integers(-50, 60)


@given(sides, corners, corners, st.integers(1, 30), st.integers(1, 30))
def test_crop_reflects_like_numpy(side: int, x: int, y: int, height: int, width: int) -> None:
    photo = noise_pixels(3, np.uint8, height, width)
    padded = np.pad(photo, ((120, 120), (120, 120), (0, 0)), mode="reflect" if min(height, width) > 1 else "edge")
    if min(height, width) == 1 and max(height, width) > 1:
        rows = np.pad(np.arange(height), 120, mode="reflect" if height > 1 else "edge")
        columns = np.pad(np.arange(width), 120, mode="reflect" if width > 1 else "edge")
        padded = photo[rows[:, None], columns]
    expected = padded[y + 120 : y + 120 + side, x + 120 : x + 120 + side]
    np.testing.assert_array_equal(crop_square(photo, Square(x, y, side)), expected)


@given(st.floats(-20, 100), st.floats(-20, 100), st.floats(1, 80), st.floats(1, 80))
def test_square_is_centred_on_the_box(x: float, y: float, width: float, height: float) -> None:
    square = square_around((x, y, x + width, y + height), 1.25)
    assert abs(square.side - 1.25 * max(width, height)) <= 0.5
    assert abs(square.x + square.side / 2 - (x + width / 2)) <= 0.5 + 1e-9
    assert abs(square.y + square.side / 2 - (y + height / 2)) <= 0.5 + 1e-9


def test_a_rolled_head_is_cropped_upright() -> None:
    """The photo rotated clockwise and cropped with that roll shows what the upright photo shows."""
    photo = wave_pixels(240, 240)
    square = Square(90, 90, 60)
    matrix = cv2.getRotationMatrix2D((119.5, 119.5), -30, 1)  # OpenCV counts anticlockwise
    turned = cv2.warpAffine(photo, matrix, (240, 240), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    assert np.abs(crop_upright(turned, square, 30).astype(int) - crop_square(photo, square)).max() <= 3
