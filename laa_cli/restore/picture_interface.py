"""What every network for whole pictures is to its users, whoever trained it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from torch import Tensor

from models.worker_pool import Workers

from .picture_tiles import Tiling

Rows = Callable[[int, int], Tensor]  # gives rows [a, b) of an output: (3, b - a, scale w) RGB, not clamped, on the CPU
TileSteps = Iterator[tuple[float, Rows | None]]  # the share done, 0..1; and what gives a tile's rows, where one is done


class PictureNetwork(Protocol):
    """A network that enlarges whole pictures by `scale`.

    `name`: what records call it. `parameters`: how many it has. `coefficients`: of the fidelity estimator; without them nothing
    tells how far its picture should be held to the photo.
    """

    name: str
    architecture: str
    scale: int
    parameters: int
    tiling: Tiling
    coefficients: tuple[float, ...]

    def run(self, tiles: Iterable[Tensor], count: int, workers: Workers) -> TileSteps:
        """Enlarges `count` tiles, (3, h, w) RGB in [0, 1] on the CPU.

        Yields the share done from time to time; with it, for each tile in their order, what gives rows of its output.
        """

    def tile_bytes(self, height: int, width: int, workers: int) -> int:
        """Estimates the most bytes of memory that tiles of this size take while they are enlarged."""
