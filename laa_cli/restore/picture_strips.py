"""Strips of rows of a photo, and its pixels as planes of floats and back: nothing of a large photo is a float at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.hpinet.chunked import with_rim

from ..photo.pixels import Pixels, to_floats

__all__ = ["strips", "to_integers", "to_planes", "to_rgb", "with_rim"]

STRIP_PX = 1 << 20  # enlarged pixels in a strip
LEAST_ROWS = 8  # of the photo in a strip, however wide it is


def strips(height: int, width: int, scale: int) -> Iterator[slice]:
    """Yields strips of rows that together cover a photo that is enlarged by `scale`."""
    step = max(LEAST_ROWS, STRIP_PX // (width * scale**2))
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))


def to_planes(pixels: Pixels) -> Tensor:
    """Converts (h, w, c) uint8 or uint16 to (1, c, h, w) in [0, 1]."""
    return torch.from_numpy(to_floats(pixels)).permute(2, 0, 1).contiguous()[None]


def to_rgb(pixels: Pixels) -> Tensor:
    """Converts (h, w, 1 or 3) uint8 or uint16 to (3, h, w) RGB in [0, 1]."""
    return to_planes(pixels)[0].expand(3, -1, -1)


def to_integers(planes: Tensor, dtype: np.dtype[Any]) -> Pixels:
    """Converts (1, c, h, w) in [0, 1] to (h, w, c) of an integer dtype, clamped and rounded."""
    levels = planes[0].clamp(0, 1).mul_(np.iinfo(dtype).max).round_()
    pixels: Pixels = levels.permute(1, 2, 0).numpy().astype(dtype, order="C")
    return pixels
