"""Enlarges a whole photo: bicubic interpolation, the protocol's kernel, in the photo's own bit depth."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.protocol import resize

from .pixels import Pixels, has_alpha, to_floats


def enlarge(pixels: Pixels, scale: int) -> Pixels:
    """Enlarges (h, w, c) uint8 or uint16 -> (scale h, scale w, c) of the same dtype; c: grey, grey + alpha, RGB or RGBA.

    Colours beside transparent pixels are weighted by alpha, so that hidden colours do not bleed into the edges.
    """
    if scale == 1:
        return pixels.copy()
    if has_alpha(pixels):
        return enlarge_with_alpha(pixels, scale)
    size = (pixels.shape[0] * scale, pixels.shape[1] * scale)
    if pixels.dtype == np.uint8:  # torch has a fast path, with Pillow's arithmetic
        copy = torch.tensor(np.ascontiguousarray(pixels))  # a copy, for the array may be read-only
        enlarged = resize(copy.permute(2, 0, 1).unsqueeze(0), size)
        return np.ascontiguousarray(enlarged[0].permute(1, 2, 0).numpy())
    return np.dstack([to_integer(resize(channel(pixels, index), size), pixels.dtype) for index in range(pixels.shape[2])])


def enlarge_with_alpha(pixels: Pixels, scale: int) -> Pixels:
    """Enlarges pixels (h, w, 2 or 4) whose last channel is alpha."""
    size = (pixels.shape[0] * scale, pixels.shape[1] * scale)
    top = np.iinfo(pixels.dtype).max
    if (pixels[..., -1] == top).all():
        return np.dstack([enlarge(pixels[..., :-1], scale), np.full((*size, 1), top, pixels.dtype)])
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
    return values[0, 0].clamp(0, 1).mul(top).round().numpy().astype(dtype)
