"""Enlarges a whole photo: bicubic interpolation, the protocol's kernel, in the photo's own bit depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.protocol import resize

from .pixels import BLOCK_BYTES, Pixels, has_alpha, to_floats
from .strips import map_strips

HALO_PX = 2  # rows above and below a strip that its enlargement needs: the kernel reaches two pixels far


def enlarge(pixels: Pixels, scale: int) -> Pixels:
    """Enlarges (h, w, c) uint8 or uint16 -> (scale h, scale w, c) of the same dtype; c: grey, grey + alpha, RGB or RGBA.

    Colours beside transparent pixels are weighted by alpha, so that hidden colours do not bleed into the edges. `scale`: a
    power of two, for which positions and weights of the kernel are exact, so that strips give what the whole would.
    """
    if scale == 1:
        return pixels.copy()
    height, width, channels = pixels.shape
    enlarged = np.empty((height * scale, width * scale, channels), pixels.dtype)
    opaque = has_alpha(pixels) and bool((pixels[..., -1] == np.iinfo(pixels.dtype).max).all())
    colours = slice(None, -1 if opaque else None)
    if opaque:
        enlarged[..., -1] = np.iinfo(pixels.dtype).max
    kind = (
        enlarge_with_alpha if has_alpha(pixels) and not opaque else enlarge_8bit if pixels.dtype == np.uint8 else enlarge_16bit
    )
    in_strips(pixels[..., colours], enlarged[..., colours], scale, kind)
    return enlarged


def in_strips(pixels: Pixels, enlarged: Pixels, scale: int, enlarge_strip: Callable[[Pixels, int], Pixels]) -> None:
    """Enlarges pixels (h, w, c) into `enlarged`, (scale h, scale w, c), strips side by side."""
    height = pixels.shape[0]
    step = max(HALO_PX, BLOCK_BYTES // enlarged[:scale].nbytes)

    def enlarge_rows(rows: slice) -> None:
        first, last = max(0, rows.start - HALO_PX), min(height, rows.stop + HALO_PX)
        strip = enlarge_strip(pixels[first:last], scale)
        enlarged[rows.start * scale : rows.stop * scale] = strip[(rows.start - first) * scale : (rows.stop - first) * scale]

    for _ in map_strips(enlarge_rows, [slice(top, min(top + step, height)) for top in range(0, height, step)]):
        pass


def enlarge_8bit(pixels: Pixels, scale: int) -> Pixels:
    """Enlarges 8-bit pixels without alpha: torch has a fast path, with Pillow's arithmetic."""
    copy = torch.tensor(np.ascontiguousarray(pixels))[None]  # a copy, for the array may be read-only
    # The batch's axis is there before the permutation, so that torch sees channels last and keeps them so: it takes a sixth.
    enlarged = resize(copy.permute(0, 3, 1, 2), (pixels.shape[0] * scale, pixels.shape[1] * scale))
    result: Pixels = enlarged[0].permute(1, 2, 0).numpy()
    return result


def enlarge_16bit(pixels: Pixels, scale: int) -> Pixels:
    """Enlarges pixels without alpha, channel by channel."""
    size = (pixels.shape[0] * scale, pixels.shape[1] * scale)
    out = np.empty((*size, pixels.shape[2]), pixels.dtype)
    for index in range(pixels.shape[2]):
        out[..., index] = to_integer(resize(channel(pixels, index), size), pixels.dtype)
    return out


def enlarge_with_alpha(pixels: Pixels, scale: int) -> Pixels:
    """Enlarges pixels (h, w, 2 or 4) whose last channel is alpha."""
    size = (pixels.shape[0] * scale, pixels.shape[1] * scale)
    alpha = channel(pixels, -1)
    coverage = resize(alpha, size).clamp_min(0)
    out = np.empty((*size, pixels.shape[2]), pixels.dtype)
    for index in range(pixels.shape[2] - 1):
        colour = channel(pixels, index)
        covered = resize(colour * alpha, size) / coverage.clamp_min(1e-6)
        out[..., index] = to_integer(torch.where(coverage > 1e-3, covered, resize(colour, size)), pixels.dtype)
    out[..., -1] = to_integer(coverage, pixels.dtype)
    return out


def channel(pixels: Pixels, index: int) -> Tensor:
    """Returns one channel of pixels (h, w, c) as (1, 1, h, w) in [0, 1]."""
    return torch.from_numpy(to_floats(pixels[..., index]))[None, None]


def to_integer(values: Tensor, dtype: np.dtype[Any]) -> Pixels:
    """Converts (1, 1, h, w) in [0, 1] to (h, w) of an integer dtype, clamped and rounded."""
    top = np.iinfo(dtype).max
    return values[0, 0].clamp(0, 1).mul_(top).round_().numpy().astype(dtype)
