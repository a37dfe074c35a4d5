"""The measurement protocol on tensors: reduction, enlargement and metrics, one definition for training and for use."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .sizes import CROP_MARGIN, HR_SIZE, LR_SIZE

__all__ = ["CROP_MARGIN", "HR_SIZE", "LR_SIZE", "luma", "network_input", "psnr_db", "reduce", "resize", "ssim", "to_8_bits"]


def resize(images: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Antialiased bicubic, a = -0.5. `images`: (n, c, h, w) float -> (n, c, *size), not clamped."""
    size = (size, size) if isinstance(size, int) else size
    return F.interpolate(images, size, mode="bicubic", antialias=True, align_corners=False)


def to_8_bits(images: Tensor) -> Tensor:
    """Rounds [0, 1] floats to the 256 levels that an 8-bit file can hold, and clamps them."""
    return images.clamp(0, 1).mul(255).round().div(255)


def reduce(hr: Tensor, size: int = LR_SIZE) -> Tensor:
    """LR of a face: (n, 3, h, w) RGB in [0, 1] -> (n, 3, size, size), 8-bit levels."""
    return to_8_bits(resize(hr, size))


def network_input(lr: Tensor, size: int = HR_SIZE) -> Tensor:
    """I_L: (n, 3, 16, 16) RGB in [0, 1] -> (n, 3, size, size) RGB in [0, 1]."""
    return resize(lr, size).clamp(0, 1)


def luma(rgb: Tensor) -> Tensor:
    """Y of ITU-R BT.601 YCbCr. `rgb`: (n, 3, h, w) in [0, 1] -> (n, h, w) in [16, 235]."""
    weights = rgb.new_tensor([65.481, 128.553, 24.966]).view(1, 3, 1, 1)
    return 16 + (rgb * weights).sum(1)


def psnr_db(output: Tensor, truth: Tensor) -> Tensor:
    """PSNR on Y of each image, rounded to 8 bits first. Two (n, 3, h, w) RGB in [0, 1] -> (n,) dB."""
    error = luma(to_8_bits(output).double()) - luma(truth.double())
    return 10 * torch.log10(255**2 / error.square().mean((1, 2)).clamp_min(1e-10))


def ssim(output: Tensor, truth: Tensor) -> Tensor:
    """SSIM on Y of each image (Wang et al. 2004): 11x11 Gaussian of sigma 1.5, population covariance, data range 255.

    Two (n, 3, h, w) RGB in [0, 1], the first rounded to 8 bits -> (n,). Only whole windows count.
    """
    x, y = (luma(image.double()).unsqueeze(1) for image in (to_8_bits(output), truth))
    offsets = torch.arange(-5, 6, dtype=x.dtype, device=x.device)
    line = torch.exp(-offsets.square() / (2 * 1.5**2))
    line = (line / line.sum()).view(1, 1, 1, 11)
    mean_x, mean_y, xx, yy, xy = (F.conv2d(F.conv2d(image, line), line.mT) for image in (x, y, x * x, y * y, x * y))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similar = (2 * mean_x * mean_y + c1) * (2 * (xy - mean_x * mean_y) + c2)
    scale = (mean_x**2 + mean_y**2 + c1) * (xx - mean_x**2 + yy - mean_y**2 + c2)
    return (similar / scale).mean((1, 2, 3))
