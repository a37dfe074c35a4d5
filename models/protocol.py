"""The protocol of training and evaluation on tensors: face sizes, degradation to low resolution and the network's input."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from .sizes import CROP_MARGIN, HR_SIZE, LR_SIZE

__all__ = ["CROP_MARGIN", "HR_SIZE", "LR_SIZE", "network_input", "reduce", "resize", "to_8_bits"]


def resize(images: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Resamples by antialiased bicubic interpolation, a = -0.5, as Pillow does.

    `images`: (n, c, h, w) float; `size`: a side or (height, width), px -> (n, c, *size), not clamped.
    """
    size = (size, size) if isinstance(size, int) else size
    if size[1] == 1 < size[0]:  # torch 2.15 takes wrong pixels where the output is one pixel wide
        return resize(images.mT.contiguous(), (1, size[0])).mT
    return F.interpolate(images, size, mode="bicubic", antialias=True, align_corners=False)


def to_8_bits(images: Tensor) -> Tensor:
    """Quantizes floats to the 256 levels of [0, 1] that an 8-bit file can hold, clamped. Any shape -> the same."""
    return images.clamp(0, 1).mul(255).round().div(255)


def reduce(hr: Tensor, size: int | tuple[int, int] = LR_SIZE) -> Tensor:
    """Downsamples to low resolution (LR): (n, c, h, w) in [0, 1] -> (n, c, *size), on 8-bit levels. `size`: as in `resize`."""
    return to_8_bits(resize(hr, size))


def network_input(lr: Tensor, size: int = HR_SIZE) -> Tensor:
    """Upsamples LR faces to I_L, what the network takes: (n, 3, h, w) RGB in [0, 1] -> (n, 3, size, size) RGB in [0, 1]."""
    return resize(lr, size).clamp(0, 1)
