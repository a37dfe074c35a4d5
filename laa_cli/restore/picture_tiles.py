"""Tiles of a picture that is too large for its network: where they lie, and how one's pixels go over into the next's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from .picture_network import Tiling


@dataclass(frozen=True)
class Span:
    """A tile's place along one side: [start, stop), px. `ramp`: how many px at its start go over from the tile before.

    The ramp lies in the middle of the overlap: what is near a tile's end has seen less around it.
    """

    start: int
    stop: int
    ramp: tuple[int, int] = (0, 0)  # where it begins and ends, from `start` on

    def weights(self, scale: int) -> Tensor:
        """Computes the tile's weight against what is already there, for each of its pixels, enlarged by `scale`."""
        first, last = (scale * edge for edge in self.ramp)
        place = torch.arange((self.stop - self.start) * scale, dtype=torch.float32)
        return ((place + 0.5 - first) / max(1, last - first)).clamp(0, 1) if last else torch.ones_like(place)


def spans(length: int, side: int, overlap: int) -> list[Span]:
    """Covers a line of `length` px by tiles of `side` px that overlap by at least `overlap`, spread evenly."""
    if length <= side:
        return [Span(0, length)]
    count = math.ceil((length - overlap) / (side - overlap))
    starts = [(length - side) * index // (count - 1) for index in range(count)]
    found = [Span(0, side)]
    for before, start in pairwise(starts):
        shared = before + side - start
        found.append(Span(start, start + side, (shared // 4, shared - shared // 4)))
    return found


def tiles_of(height: int, width: int, tiling: Tiling) -> list[tuple[Span, Span]]:
    """Lists the tiles of a picture, rows and columns of each: one where it is small enough to be taken whole."""
    if height * width <= tiling.whole_px:
        return [(Span(0, height), Span(0, width))]
    rows, columns = (spans(length, tiling.side, tiling.overlap) for length in (height, width))
    return [(row, column) for row in rows for column in columns]
