"""How far a whole photo can be trusted: the fidelity estimator on squares all over it."""

from __future__ import annotations

from collections.abc import Generator
from statistics import median

from models.worker_pool import Workers

from ..photo.pixels import Pixels
from .fidelity import estimate_fidelity
from .picture_interface import PictureNetwork, Rows
from .picture_strips import to_rgb

SQUARE_PX = 64
RIM_PX = 8  # around a square, which the network sees as it does in a whole photo
ACROSS = 4  # squares each way, at most
LEAST_PX = 24  # of a square that tells anything


def estimate_photo_fidelity(network: PictureNetwork, pixels: Pixels, workers: Workers) -> Generator[float, None, float]:
    """Estimates how far a photo (h, w, 1 or 3) can be trusted, 0..1: the median of its squares. Yields the share done.

    Where nothing can be known, of a network without coefficients or a photo too small, it is 0: the network's detail stands.
    """
    side = min(SQUARE_PX + 2 * RIM_PX, *pixels.shape[:2])
    if not network.coefficients or side < LEAST_PX:
        return 0.0
    rim = RIM_PX if side > LEAST_PX + 2 * RIM_PX else 0
    places = [(top, left) for top in regular_places(pixels.shape[0], side) for left in regular_places(pixels.shape[1], side)]
    squares = [to_rgb(pixels[top : top + side, left : left + side]) for top, left in places]
    found: list[float] = []

    def estimate(rows: Rows) -> float:
        inner, large = slice(rim, side - rim), slice(rim * network.scale, (side - rim) * network.scale)
        output, square = rows(0, side * network.scale)[None, :, large, large], squares[len(found)][None, :, inner, inner]
        return estimate_fidelity(network.coefficients, output, square)

    for share, rows in network.run(squares, len(squares), workers):
        found += workers.map(estimate, [] if rows is None else [rows])
        yield share
    return median(found)


def regular_places(length: int, side: int) -> list[int]:
    """Spreads up to ACROSS squares of `side` px regularly over a line of `length` px; returns where they start."""
    count = min(ACROSS, length // side)
    return [((2 * index + 1) * length - count * side) // (2 * count) for index in range(count)]
