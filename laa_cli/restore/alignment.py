"""The square around a face, whole pixels, completed by reflection where it leaves the photo (the protocol's crop)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..photo.pixels import Floats, Pixels


@dataclass(frozen=True)
class Square:
    """A square of whole photo pixels: columns x to x + side, rows y to y + side. It may leave the photo."""

    x: int
    y: int
    side: int


def square_around(box_xyxy: tuple[float, float, float, float], margin: float) -> Square:
    """The square with the box's centre and side `margin` times its longer side, rounded to whole pixels.

    Whole pixels, because then the crop and its place in the enlarged photo agree exactly, whatever the scale.
    """
    x0, y0, x1, y1 = box_xyxy
    side = max(1, round(margin * max(x1 - x0, y1 - y0)))
    return Square(math.floor((x0 + x1 - side) / 2 + 0.5), math.floor((y0 + y1 - side) / 2 + 0.5), side)


def crop_square(pixels: Pixels, square: Square) -> Pixels:
    """The square's pixels. `pixels`: (h, w, c) -> (side, side, c), reflected about the photo's outermost pixels."""
    rows = reflect_index(np.arange(square.y, square.y + square.side), pixels.shape[0])
    columns = reflect_index(np.arange(square.x, square.x + square.side), pixels.shape[1])
    return pixels[rows[:, None], columns]


def reflect_index(index: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """Brings indices into [0, length) by reflection about the first and last pixel, as often as it takes."""
    if length == 1:
        return np.zeros_like(index)
    period = 2 * (length - 1)
    folded = np.abs(index) % period
    return np.minimum(folded, period - folded)


# Crops of rolled heads: turned upright for the network, and turned back into the photo.


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
