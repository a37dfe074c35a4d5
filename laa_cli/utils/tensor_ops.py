"""Operations on image tensors that know nothing of faces: greyscale, root mean square, the cosine transform's matrix."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # BT.601's weights of R, G and B


def rgb_to_grayscale(rgb: Tensor) -> Tensor:
    """Converts RGB (n, 3, h, w) of any range to luma: (n, 1, h, w) of the same range."""
    return (rgb * rgb.new_tensor(LUMA).view(3, 1, 1)).sum(1, keepdim=True)


def rms(values: Tensor) -> float:
    """Computes the root mean square (RMS) of a tensor of any shape."""
    return values.square().mean().sqrt().item()


def dct_matrix(like: Tensor) -> Tensor:
    """Builds the orthonormal 8-point discrete cosine transform (DCT-II), (8, 8), of `like`'s dtype and device."""
    place = torch.arange(8, dtype=like.dtype, device=like.device)
    basis = torch.cos(math.pi / 8 * torch.outer(place, place + 0.5)) / 2
    basis[0] /= math.sqrt(2)
    return basis
