"""Resampling of a batch of squares of different sides: a matrix for each, looked up by its side on the device.

Crops of all sides lie in the upper left corner of a canvas, zero around them, and so do their matrices.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from models.protocol import HR_SIZE

from .corruptions import KERNELS, cubic, kernel_matrix

CANVAS_PX = 96  # the largest side that the tables have
PROTOCOL_KERNEL = list(KERNELS).index("bicubic")


def reduction_matrices(sides: Tensor, kernels: Tensor, canvas: int) -> Tensor:
    """Looks up what reduces 128 pixels to a crop's: sides (n,) px and indices of KERNELS (n,), int64 -> (n, canvas, 128)."""
    return reduction_table(sides.device)[kernels, sides, :canvas]


def enlargement_matrices(sides: Tensor, canvas: int) -> Tensor:
    """Looks up what enlarges a crop's pixels to 128 by the protocol's kernel: sides (n,) px, int64 -> (n, 128, canvas)."""
    return enlargement_table(sides.device)[sides, :, :canvas]


def resample_squares(matrices: Tensor, images: Tensor) -> Tensor:
    """Applies matrices (n, p, q) to the columns and rows of images (n, c, q, q): (n, c, p, p)."""
    return matrices[:, None] @ images @ matrices[:, None].mT


@lru_cache
def reduction_table(device: torch.device) -> Tensor:
    """Computes the reductions to all sides by all kernels, (kernels, CANVAS_PX + 1, CANVAS_PX, 128)."""
    table = torch.zeros(len(KERNELS), CANVAS_PX + 1, CANVAS_PX, HR_SIZE)
    for index, kernel in enumerate(KERNELS.values()):
        for side in range(1, CANVAS_PX + 1):
            table[index, side, :side] = kernel_matrix(HR_SIZE, side, kernel)
    return table.to(device)


@lru_cache
def enlargement_table(device: torch.device) -> Tensor:
    """Computes the enlargements of all sides, (CANVAS_PX + 1, 128, CANVAS_PX)."""
    table = torch.zeros(CANVAS_PX + 1, HR_SIZE, CANVAS_PX)
    for side in range(1, CANVAS_PX + 1):
        table[side, :, :side] = kernel_matrix(side, HR_SIZE, cubic)
    return table.to(device)
