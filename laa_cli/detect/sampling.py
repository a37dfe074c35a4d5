"""Squares of a photo at the size that a network of the detector looks at."""

from __future__ import annotations

import math

import cv2
import numpy as np


def build_pyramid(rgb: np.ndarray, least_px: int) -> list[np.ndarray]:
    """The photo, its half, its quarter, ... while each is at least `least_px` high and wide."""
    photo = [rgb]
    while min(photo[-1].shape[:2]) >= 2 * least_px:
        height, width = photo[-1].shape[:2]
        photo.append(cv2.resize(photo[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA))
    return photo


def sample_patch(photo: list[np.ndarray], box: list[float], size_px: int, roll_deg: float = 0.0) -> np.ndarray:
    """One square, turned clockwise by `roll_deg`: (size, size, 3).

    Sampled bicubically from the coarsest of `halvings` that has a pixel for each of its own; black beyond the photo's edge.
    """
    side = max(box[2] - box[0], 1e-3)
    level = min(max(0, int(math.log2(side / size_px))), len(photo) - 1)
    source, angle = photo[level], math.radians(roll_deg)
    scale = np.array([source.shape[1] / photo[0].shape[1], source.shape[0] / photo[0].shape[0]])
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = turn * (side * scale / size_px)[:, None]
    middle = np.array([box[0] + side / 2, box[1] + side / 2]) * scale
    reach = np.abs(matrix).sum(1) * size_px / 2 + 3
    # warpAffine takes at most 32767 pixels a side
    left, top = (max(0, min(int(middle[axis] - reach[axis]), source.shape[1 - axis] - 1)) for axis in (0, 1))
    right, bottom = (max(first + 1, int(middle[axis] + reach[axis]) + 1) for axis, first in ((0, left), (1, top)))
    # places count from a pixel's centre, boxes from its edge
    start = middle - 0.5 - (left, top) - matrix @ np.full(2, (size_px - 1) / 2)
    part = source[top:bottom, left:right]
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(part, np.column_stack([matrix, start]), (size_px, size_px), flags=flags)
