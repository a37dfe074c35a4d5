"""Tiles of a picture that is too large for its network: where they lie, and how each goes over into the next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tiling:
    """How large the pictures are that a network takes: whole ones up to `whole_px` pixels, of larger ones tiles.

    `side`: of a tile, px. `overlap`: of neighbouring tiles, px, at least.
    """

    side: int
    whole_px: float = 0
    overlap: int = 32


@dataclass(frozen=True)
class Span:
    """A tile's place along one side of a picture, [start, stop) px.

    `ramp`: from where to where after `start` the tile before goes over into this one. It is the middle half of their overlap,
    for what is close to a tile's end has been computed without its surroundings.
    """

    start: int
    stop: int
    ramp: tuple[int, int] | None = None

    def weights(self, scale: int) -> Tensor:
        """Computes the weight of each line of the tile, enlarged by `scale`, against what is already there: (lines,), 0..1."""
        place = torch.arange((self.stop - self.start) * scale) + 0.5
        if self.ramp is None:
            return torch.ones_like(place)
        first, last = self.ramp[0] * scale, self.ramp[1] * scale
        return ((place - first) / (last - first)).clamp(0, 1)


@dataclass(frozen=True)
class Tile:
    """A rectangle of a picture by its rows and columns."""

    rows: Span
    columns: Span

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, px."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start


def divide_into_tiles(height: int, width: int, tiling: Tiling) -> list[Tile]:
    """Covers a picture by tiles, row by row: by one, where it may be taken whole."""
    if height * width <= tiling.whole_px:
        return [Tile(Span(0, height), Span(0, width))]
    rows, columns = (spans(length, tiling.side, tiling.overlap) for length in (height, width))
    return [Tile(row, column) for row in rows for column in columns]


def spans(length: int, side: int, overlap: int) -> list[Span]:
    """Covers a line of `length` px by tiles of `side` px, spread evenly, that overlap by at least `overlap` px."""
    if length <= side:
        return [Span(0, length)]
    count = math.ceil((length - overlap) / (side - overlap))
    starts = [(length - side) * index // (count - 1) for index in range(count)]
    found = [Span(0, side)]
    for before, start in pairwise(starts):
        shared = before + side - start
        found.append(Span(start, start + side, (shared // 4, shared - shared // 4)))
    return found
