"""The square around a face, whole pixels, completed by reflection where it leaves the photo (the protocol's crop)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .pixels import Pixels


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
