"""Patch division: overlapping square patches of a feature map, and their merging, each the other's gradient.

Maps are (n, h, w, d), channels last, so that a patch is a sequence of tokens. Patches are numbered row by row.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from .config import OVERLAP_PX


def patch_starts(length: int, patch: int) -> list[int]:
    """Lists where patches of `patch` px start along a side of `length` px >= `patch`; the last is pulled back to end there."""
    step = patch - OVERLAP_PX
    return [min(index * step, length - patch) for index in range(math.ceil((length - patch) / step) + 1)]


def overlap_weights(length: int, patch: int) -> Tensor:
    """Computes the weight of each line in the merged map, (length,): 1, or 1/2 where two patches lie, 1/4 where three do.

    Three patches' weights sum to 3/4: the authors halve each overlap in turn, and their weights were trained so.
    """
    count = torch.zeros(length)
    for start in patch_starts(length, patch):
        count[start : start + patch] += 1
    return 0.5 ** (count - 1)


def merge_weights(height: int, width: int, patch: int) -> Tensor:
    """Computes the weight of each pixel in the merged map, (height, width, 1)."""
    return torch.outer(overlap_weights(height, patch), overlap_weights(width, patch))[..., None]


@lru_cache(maxsize=32)
def patch_positions(height: int, width: int, patch: int) -> Tensor:
    """Lists the pixels of all patches of a map, (patches * patch^2,) int64, counted row by row over the map."""
    offsets = torch.arange(patch)
    rows = torch.tensor(patch_starts(height, patch))[:, None] + offsets
    columns = torch.tensor(patch_starts(width, patch))[:, None] + offsets
    return (rows[:, None, :, None] * width + columns[None, :, None, :]).flatten()


def divide(x: Tensor, patch: int) -> Tensor:
    """Divides a map (n, h, w, d) into patches (n, patches, patch^2, d)."""
    return Division.apply(x, patch)


def merge(patches: Tensor, size: tuple[int, int], patch: int) -> Tensor:
    """Merges patches (n, patches, patch^2, d) to a map (n, *size, d): sums, times `merge_weights`."""
    return Addition.apply(patches, size, patch) * merge_weights(*size, patch).to(patches)


def gather_patches(x: Tensor, patch: int) -> Tensor:
    """Copies patches out of a map: (n, h, w, d) -> (n, patches, patch^2, d)."""
    count, height, width, channels = x.shape
    positions = patch_positions(height, width, patch).to(x.device)
    return x.flatten(1, 2).index_select(1, positions).view(count, -1, patch * patch, channels)


def add_patches(patches: Tensor, size: tuple[int, int], patch: int) -> Tensor:
    """Adds patches up at their places: (n, patches, patch^2, d) -> (n, *size, d)."""
    count, _, _, channels = patches.shape
    total = patches.new_zeros(count, *size, channels)
    places = [(top, left) for top in patch_starts(size[0], patch) for left in patch_starts(size[1], patch)]
    squares = patches.unflatten(2, (patch, patch))
    for index, (top, left) in enumerate(places):
        total[:, top : top + patch, left : left + patch] += squares[:, index]
    return total


class Division(torch.autograd.Function):
    """`gather_patches` with its gradient, which indexing alone would compute slowly."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, patch: int) -> Tensor:
        ctx.size, ctx.patch = (x.shape[1], x.shape[2]), patch
        return gather_patches(x, patch)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return add_patches(gradients[0], ctx.size, ctx.patch), None


class Addition(torch.autograd.Function):
    """`add_patches` with its gradient."""

    @staticmethod
    def forward(ctx: Any, patches: Tensor, size: tuple[int, int], patch: int) -> Tensor:
        ctx.patch = patch
        return add_patches(patches, size, patch)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gather_patches(gradients[0].contiguous(), ctx.patch), None, None
