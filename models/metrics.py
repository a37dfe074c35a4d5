"""Image quality metrics on luma, one definition for training and evaluation: PSNR and SSIM on the Y channel."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .protocol import to_8_bits


def luma(rgb: Tensor) -> Tensor:
    """Computes Y of ITU-R BT.601 YCbCr. `rgb`: (n, 3, h, w) in [0, 1] -> (n, h, w) in [16, 235]."""
    weights = rgb.new_tensor([65.481, 128.553, 24.966]).view(1, 3, 1, 1)
    return 16 + (rgb * weights).sum(1)


def paired_lumas(output: Tensor, truth: Tensor, *, rounded: bool) -> tuple[Tensor, Tensor]:
    """Computes Y of an output, rounded to 8 bits, and of its truth, float64; `rounded`: Y is rounded to whole levels, too."""
    lumas = luma(to_8_bits(output).double()), luma(truth.double())
    return (lumas[0].round(), lumas[1].round()) if rounded else lumas


def psnr_db(output: Tensor, truth: Tensor, *, rounded_luma: bool = False) -> Tensor:
    """Computes the peak signal-to-noise ratio (PSNR) on Y of each image, data range 255.

    Two (n, 3, h, w) RGB in [0, 1], the first rounded to 8 bits -> (n,) float64, dB; equal images give 148.
    `rounded_luma`: round Y to 8 bits before the error, as the field does for whole pictures, but not for faces.
    """
    first, second = paired_lumas(output, truth, rounded=rounded_luma)
    error = first - second
    return 10 * torch.log10(255**2 / error.square().mean((1, 2)).clamp_min(1e-10))


def ssim(output: Tensor, truth: Tensor, *, rounded_luma: bool = False) -> Tensor:
    """Computes the structural similarity (SSIM, Wang et al. 2004) on Y of each image.

    Gaussian window of 11x11, sigma 1.5; population covariance; data range 255; only whole windows count.
    Two (n, 3, h, w) RGB in [0, 1], h, w > 10, the first rounded to 8 bits -> (n,) float64. `rounded_luma`: as in `psnr_db`.
    """
    x, y = (one.unsqueeze(1) for one in paired_lumas(output, truth, rounded=rounded_luma))
    window = gaussian_window(x)
    mean_x, mean_y, xx, yy, xy = (F.conv2d(F.conv2d(image, window), window.mT) for image in (x, y, x * x, y * y, x * y))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    numerator = (2 * mean_x * mean_y + c1) * (2 * (xy - mean_x * mean_y) + c2)
    denominator = (mean_x**2 + mean_y**2 + c1) * (xx - mean_x**2 + yy - mean_y**2 + c2)
    return (numerator / denominator).mean((1, 2, 3))


def gaussian_window(like: Tensor) -> Tensor:
    """Builds the row of SSIM's separable Gaussian window, (1, 1, 1, 11), in the dtype and on the device of `like`."""
    offsets = torch.arange(-5, 6, dtype=like.dtype, device=like.device)
    row = torch.exp(-offsets.square() / (2 * 1.5**2))
    return (row / row.sum()).view(1, 1, 1, 11)
