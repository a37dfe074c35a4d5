"""How far a whole photo can be trusted: the fidelity estimator on squares all over it."""

from __future__ import annotations

from statistics import median

from torch import Tensor

from models.worker_pool import Workers

from ..photo.pixels import Pixels
from .fidelity import estimate_fidelity
from .picture_strips import to_rgb

SQUARE_PX = 64
ACROSS = 4  # squares each way, at most
LEAST_PX = 24  # of a square that tells anything

Place = tuple[int, int]  # top, left


def estimate_photo_fidelity(coefficients: tuple[float, ...], canvas: Pixels, photo: Pixels, workers: Workers) -> float:
    """Estimates how far a photo can be trusted, 0..1, from what a network made of it: the median of its squares.

    Where nothing can be known, without coefficients or of a photo too small, it is 0: the network's detail stands.
    `canvas`: (scale h, scale w, c), `photo`: (h, w, c), both uint8 or both uint16, grey or RGB.
    """
    height, width = photo.shape[:2]
    side, scale = min(SQUARE_PX, height, width), len(canvas) // height
    if not coefficients or side < LEAST_PX:
        return 0.0

    def estimate(place: Place) -> float:
        output = cut_square(canvas, (place[0] * scale, place[1] * scale), side * scale)
        return estimate_fidelity(coefficients, output, cut_square(photo, place, side))

    places = [(top, left) for top in regular_places(height, side) for left in regular_places(width, side)]
    return median(workers.map(estimate, places))


def cut_square(pixels: Pixels, place: Place, side: int) -> Tensor:
    """Cuts a square out of (h, w, 1 or 3) uint8 or uint16: (1, 3, side, side) RGB in [0, 1]."""
    top, left = place
    return to_rgb(pixels[top : top + side, left : left + side])[None].contiguous()


def regular_places(length: int, side: int) -> list[int]:
    """Spreads up to ACROSS squares of `side` px regularly over a line of `length` px; returns where they start."""
    count = min(ACROSS, length // side)
    return [((2 * index + 1) * length - count * side) // (2 * count) for index in range(count)]
