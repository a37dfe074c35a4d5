"""Operations on image tensors that know nothing of faces: greyscale, pixels by index, the cosine transform's matrix.

None but `rms` makes the CPU wait for a GPU.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # BT.601's weights of R, G and B


def rgb_to_grayscale(rgb: Tensor) -> Tensor:
    """Converts RGB (n, 3, h, w) of any range to luma: (n, 1, h, w) of the same range."""
    return (rgb * device_constant(LUMA, rgb.dtype, rgb.device).view(3, 1, 1)).sum(1, keepdim=True)


def rms(values: Tensor) -> float:
    """Computes the root mean square (RMS) of a tensor of any shape."""
    return values.square().mean().sqrt().item()


def dct_matrix(like: Tensor) -> Tensor:
    """Builds the orthonormal 8-point discrete cosine transform (DCT-II), (8, 8), of `like`'s dtype and device."""
    place = torch.arange(8, dtype=like.dtype, device=like.device)
    basis = torch.cos(math.pi / 8 * torch.outer(place, place + 0.5)) / 2
    basis[0] /= math.sqrt(2)
    return basis


def gather_pixels(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Selects rows and columns of each image: (n, c, h, w), (n, p) and (n, q) int64 -> (n, c, p, q)."""
    places = (rows[:, :, None] * images.shape[-1] + columns[:, None, :]).flatten(1)
    selected = images.flatten(2).gather(2, places[:, None].expand(-1, images.shape[1], -1))
    return selected.unflatten(2, (rows.shape[1], columns.shape[1]))


@lru_cache
def device_constant(values: tuple[Any, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Copies a table of numbers to a device, once; not to be changed."""
    with torch.inference_mode(False):  # so that training can use it, whoever comes first
        return torch.tensor(values, dtype=dtype, device=device)


def send(values: Tensor, device: torch.device) -> Tensor:
    """Copies a tensor from the CPU to a device without waiting for it."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)
