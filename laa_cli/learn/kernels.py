"""Kernels by which photos are reduced, as matrices on lines of pixels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def lanczos(x: Tensor) -> Tensor:
    """Three-lobed Lanczos."""
    return torch.where(x.abs() < 3, torch.sinc(x) * torch.sinc(x / 3), 0)


def cubic(x: Tensor) -> Tensor:
    """Cubic convolution with a = -0.5, the protocol's."""
    x = x.abs()
    return torch.where(x < 1, 1.5 * x**3 - 2.5 * x**2 + 1, torch.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0))


# How photos are reduced: each kernel over distances in pixels of the result.
KERNELS: dict[str, Callable[[Tensor], Tensor]] = {
    "bicubic": cubic,
    "lanczos": lanczos,
    "bilinear": lambda x: (1 - x.abs()).clamp_min(0),
    "box": lambda x: (x.abs() <= 0.5).to(x.dtype),
}


def resample(face: Tensor, side: int, kernel: Callable[[Tensor], Tensor]) -> Tensor:
    """(3, s, s) -> (3, side, side), antialiased: the kernel is as wide as a pixel of the result."""
    weights = kernel_matrix(face.shape[-1], side, kernel).to(face)
    return weights @ face @ weights.T


def kernel_matrix(length: int, reduced: int, kernel: Callable[[Tensor], Tensor]) -> Tensor:
    """(reduced, length): what each pixel of a line contributes to each of a shorter one; rows sum to one."""
    scale = length / reduced
    centres = (torch.arange(reduced, dtype=torch.float64)[:, None] + 0.5) * scale
    weights = kernel((torch.arange(length, dtype=torch.float64) + 0.5 - centres) / scale)
    return weights / weights.sum(1, keepdim=True)
