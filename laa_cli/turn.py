"""Crops of rolled heads: turned upright for the network, and turned back into the photo."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from .crop import Square, crop_square
from .pixels import Floats, Pixels

Matrix = NDArray[
    np.float64
]  # (2, 3): from places in a result to places in its source, both counted from the first pixel's centre


def crop_upright(pixels: Pixels, square: Square, roll_deg: float) -> Pixels:
    """The square turned clockwise by `roll_deg` about its middle: (h, w, c) -> (side, side, c) in which the head is upright.

    Sampled bicubically; completed by reflection where it leaves the photo.
    """
    around = bounding_square(square)
    source = np.ascontiguousarray(crop_square(pixels, around))  # small, for warpAffine takes at most 32767 pixels a side
    return warp(source, rotation_matrix(square.side, around.side, roll_deg), square.side, cv2.INTER_CUBIC)


def rotate_back(values: Floats, mask: Floats, square: Square, roll_deg: float) -> tuple[Square, Floats, Floats]:
    """An upright face (side, side, c) and its mask (side, side), turned into the photo around its square's middle.

    Returns the upright square of the photo that they fill, and both as they are there; the mask is zero where the face is not.
    """
    around = bounding_square(square)
    matrix = rotation_matrix(around.side, square.side, -roll_deg)
    face = warp(values, matrix, around.side, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
    weight = warp(mask, matrix, around.side, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
    return around, face.clip(0, 1), weight


def bounding_square(square: Square) -> Square:
    """A square with the same middle that holds the given one however it is turned, and what bicubic sampling looks at."""
    room = math.ceil(square.side * (math.sqrt(2) - 1) / 2) + 2
    return Square(square.x - room, square.y - room, square.side + 2 * room)


def rotation_matrix(result_side: int, source_side: int, angle_deg: float) -> Matrix:
    """Where the pixels of a square lie in another with the same middle once they are turned clockwise by `angle_deg`."""
    angle = math.radians(angle_deg)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    middles = np.full(2, (result_side - 1) / 2), np.full(2, (source_side - 1) / 2)
    return np.column_stack([turn, middles[1] - turn @ middles[0]])


def warp(source: Pixels, matrix: Matrix, side: int, sampling: int, border: int = cv2.BORDER_REFLECT_101) -> Pixels:
    """(h, w[, c]) sampled at the places of `matrix` -> (side, side[, c]); a single channel stays."""
    result = cv2.warpAffine(source, matrix, (side, side), flags=sampling | cv2.WARP_INVERSE_MAP, borderMode=border)
    return result.reshape(side, side, *source.shape[2:])
