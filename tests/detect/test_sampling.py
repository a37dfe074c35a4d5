"""Patches and levels against what one call of OpenCV on the whole photo makes."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import data

from laa_cli.detect.sampling import build_pyramid, resize_from_pyramid, sample_patches

PHOTO = np.ascontiguousarray(data.astronaut()[:300, :401])


def whole_photo_patch(level: np.ndarray, box: tuple[float, ...], size: int, roll_deg: float) -> np.ndarray:
    """By the definition: the patch's pixel centres, rotated around the square's middle, sampled from the whole level."""
    across, down = level.shape[1] / PHOTO.shape[1], level.shape[0] / PHOTO.shape[0]
    step, angle = (box[2] - box[0]) / size, math.radians(roll_deg)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]) * step
    middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    matrix = np.diag([across, down]) @ np.column_stack([turn, middle - turn @ np.full(2, (size - 1) / 2)])
    matrix[:, 2] -= 0.5
    return cv2.warpAffine(level, matrix, (size, size), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)


@given(
    x=st.floats(-50, 420),
    y=st.floats(-50, 320),
    side=st.floats(5, 280),
    roll_deg=st.floats(-60, 60),
    size=st.sampled_from([24, 48]),
)
def test_a_patch_is_what_the_whole_level_gives(x: float, y: float, side: float, roll_deg: float, size: int) -> None:
    pyramid = build_pyramid(PHOTO, 12)
    box = (x, y, x + side, y + side)
    (patch,) = sample_patches(pyramid, [box], size, [roll_deg])
    level = pyramid[min(max(0, int(math.log2(side / size))), len(pyramid) - 1)]
    expected = whole_photo_patch(level, box, size, roll_deg)
    # warpAffine rounds places to 1/32 px, which depends on where the cut-out begins
    assert np.abs(patch.astype(int) - expected).mean() < 1.5


def test_patches_come_in_order() -> None:
    boxes = [(10.0, 20.0, 58.0, 68.0), (100.0, 50.0, 148.0, 98.0)]
    patches = sample_patches([PHOTO], boxes, 48, [0.0, 0.0])
    for patch, (left, top, *_) in zip(patches, boxes, strict=True):
        assert np.array_equal(patch, PHOTO[int(top) : int(top) + 48, int(left) : int(left) + 48])


@pytest.mark.parametrize(("width", "height"), [(401, 300), (280, 210), (150, 112), (57, 43), (501, 375)])
def test_levels_are_nearly_as_resized_from_the_photo_by_area(width: int, height: int) -> None:
    level = resize_from_pyramid(build_pyramid(PHOTO, 12), width, height)
    interpolation = cv2.INTER_CUBIC if width > PHOTO.shape[1] else cv2.INTER_AREA
    expected = cv2.resize(PHOTO, (width, height), interpolation=interpolation)
    assert level.shape == (height, width, 3)
    assert np.abs(level.astype(int) - expected).mean() < 4
