"""Samples square patches of a photo from an image pyramid, at the input sizes of MTCNN's second and third network."""

from __future__ import annotations

import math

import cv2
import numpy as np


def build_pyramid(rgb: np.ndarray, min_px: int) -> list[np.ndarray]:
    """Builds an image pyramid: the photo (h, w, 3) uint8, its half, its quarter, ... while each side is at least `min_px`."""
    pyramid = [rgb]
    while min(pyramid[-1].shape[:2]) >= 2 * min_px:
        height, width = pyramid[-1].shape[:2]
        pyramid.append(cv2.resize(pyramid[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA))
    return pyramid


def sample_patch(pyramid: list[np.ndarray], box: list[float], size_px: int, roll_deg: float = 0.0) -> np.ndarray:
    """Samples one square, rotated clockwise by `roll_deg`: (size_px, size_px, 3) uint8.

    Bicubic, from the coarsest level of `pyramid` that has a pixel for each of the patch's; black beyond the photo's edge.
    `box`: xyxy in photo pixels.
    """
    side = max(box[2] - box[0], 1e-3)
    level = min(max(0, int(math.log2(side / size_px))), len(pyramid) - 1)
    source, angle = pyramid[level], math.radians(roll_deg)
    scale = np.array([source.shape[1] / pyramid[0].shape[1], source.shape[0] / pyramid[0].shape[0]])
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = rotation * (side * scale / size_px)[:, None]
    centre = np.array([box[0] + side / 2, box[1] + side / 2]) * scale
    reach = np.abs(matrix).sum(1) * size_px / 2 + 3
    # warpAffine takes at most 32767 pixels a side
    left, top = (max(0, min(int(centre[axis] - reach[axis]), source.shape[1 - axis] - 1)) for axis in (0, 1))
    right, bottom = (max(first + 1, int(centre[axis] + reach[axis]) + 1) for axis, first in ((0, left), (1, top)))
    # warpAffine counts from a pixel's centre, boxes from its edge
    offset = centre - 0.5 - (left, top) - matrix @ np.full(2, (size_px - 1) / 2)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(source[top:bottom, left:right], np.column_stack([matrix, offset]), (size_px, size_px), flags=flags)
