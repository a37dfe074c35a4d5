"""Samples square patches of a photo from an image pyramid, at the input sizes of MTCNN's second and third network."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

MIN_SIDE_PX = 1e-3  # of a square that is sampled


def build_pyramid(rgb: np.ndarray, min_px: int) -> list[np.ndarray]:
    """Builds an image pyramid: the photo (h, w, 3) uint8, its half, its quarter, ... while each side is at least `min_px`."""
    pyramid = [rgb]
    while min(pyramid[-1].shape[:2]) >= 2 * min_px:
        height, width = pyramid[-1].shape[:2]
        pyramid.append(cv2.resize(pyramid[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA))
    return pyramid


def resize_from_pyramid(pyramid: Sequence[np.ndarray], width: int, height: int) -> np.ndarray:
    """Resizes a photo to (height, width, 3), from the smallest level of its pyramid that is no smaller: bilinearly, or bicubic.

    By less than half, bilinear loses little and is five times as fast as by area.
    """
    level = max((n for n, rgb in enumerate(pyramid) if rgb.shape[0] >= height and rgb.shape[1] >= width), default=0)
    enlarged = width > pyramid[0].shape[1]
    return cv2.resize(pyramid[level], (width, height), interpolation=cv2.INTER_CUBIC if enlarged else cv2.INTER_LINEAR)


def sample_patches(
    pyramid: Sequence[np.ndarray], boxes: Sequence[Sequence[float]], size_px: int, rolls_deg: Sequence[float]
) -> np.ndarray:
    """Samples squares (xyxy in photo pixels), each rotated clockwise by its roll: (n, size_px, size_px, 3) uint8."""
    patches = np.empty((len(boxes), size_px, size_px, 3), np.uint8)
    for patch, box, roll_deg in zip(patches, boxes, rolls_deg, strict=True):
        sample_patch(pyramid, box, patch, roll_deg)
    return patches


def sample_patch(pyramid: Sequence[np.ndarray], box: Sequence[float], patch: np.ndarray, roll_deg: float = 0.0) -> None:
    """Samples one square into `patch`, (s, s, 3) uint8, rotated clockwise by `roll_deg`.

    Bicubic, from the coarsest level of `pyramid` that has a pixel for each of the patch's; black beyond the photo's edge.
    In plain numbers, since there can be ten thousands of patches.
    """
    size = len(patch)
    side = max(box[2] - box[0], MIN_SIDE_PX)
    source = pyramid[min(max(0, int(math.log2(side / size))), len(pyramid) - 1)]
    height, width = source.shape[:2]
    across, down = width / pyramid[0].shape[1], height / pyramid[0].shape[0]  # of the level, to the photo
    step, angle = side / size, math.radians(roll_deg)
    cos, sin = math.cos(angle) * step, math.sin(angle) * step
    xx, xy, yx, yy = cos * across, -sin * across, sin * down, cos * down
    centre_x, centre_y = (box[0] + side / 2) * across, (box[1] + side / 2) * down
    # warpAffine takes at most 32767 pixels a side
    left, right = clip_span(centre_x, (abs(xx) + abs(xy)) * size / 2 + 3, width)
    top, bottom = clip_span(centre_y, (abs(yx) + abs(yy)) * size / 2 + 3, height)
    # warpAffine counts from a pixel's centre, boxes from its edge
    middle = (size - 1) / 2
    matrix = np.array(
        [
            [xx, xy, centre_x - 0.5 - left - (xx + xy) * middle],
            [yx, yy, centre_y - 0.5 - top - (yx + yy) * middle],
        ]
    )
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    cv2.warpAffine(source[top:bottom, left:right], matrix, (size, size), dst=patch, flags=flags)


def clip_span(centre: float, reach: float, length: int) -> tuple[int, int]:
    """Clips the pixels within `reach` of a centre to those of a side of `length`: first and end, one pixel at least."""
    first = max(0, min(int(centre - reach), length - 1))
    return first, min(max(first + 1, int(centre + reach) + 1), length)
