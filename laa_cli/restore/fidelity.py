"""How far a crop can be believed: how much of it is the face, and how much noise, JPEG's blocks or blur.

Where a crop is a clean reduction of a sharp face, it differs little from what the network drew, at the photo's resolution. The
difference grows with noise and blocks; with blur, that of a photo enlarged before, say, it grows beside the finest detail that
the network drew. `fidelity` weighs such evidence by coefficients that training finds and the weights' card carries.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from models.protocol import resize

LUMA = (0.299, 0.587, 0.114)  # BT.601
FEATURES = 28  # numbers that `evidence` gives: one, six logarithms, and their products in pairs
SMALL = 0.7  # a coefficient below it, in levels, was rounded to nothing and is there by the decoder's rounding


def estimate_fidelity(coefficients: tuple[float, ...], drawn: Tensor, crop: Tensor) -> float:
    """How far what the network drew, (1, 3, s, s), should be brought to a crop (1, 3, e, e), both RGB in [0, 1]: 0..1."""
    odds = fidelity_features(drawn, crop) @ torch.tensor(coefficients, dtype=torch.float64)
    return torch.sigmoid(odds).item()


def fidelity_features(drawn: Tensor, crop: Tensor) -> Tensor:
    """What tells a clean crop (1, 3, e, e) from others, seen what the network drew, (1, 3, s, s): (EVIDENCE,)."""
    side = crop.shape[-1]
    seen, levels = 255 * resize(drawn, side), 255 * crop
    apart, detail = levels - seen, seen - resize(resize(seen, max(4, side // 2)), side)
    values = [
        rms(rgb_to_grayscale(apart)),
        rms(apart - rgb_to_grayscale(apart)),
        rms(rgb_to_grayscale(detail)),
        estimate_noise(rgb_to_grayscale(levels)[0, 0]),
    ]
    logarithms = [math.log(value) for value in (*values, blockiness(rgb_to_grayscale(levels)[0, 0]) + 0.02, side)]
    products = [one * other for index, one in enumerate(logarithms) for other in logarithms[index:]]
    return torch.tensor([1.0, *logarithms, *products], dtype=torch.float64)


def rgb_to_grayscale(rgb: Tensor) -> Tensor:
    """(n, 3, h, w) -> (n, 1, h, w)."""
    return (rgb * rgb.new_tensor(LUMA).view(3, 1, 1)).sum(1, keepdim=True)


def rms(values: Tensor) -> float:
    """Root mean square, and a little, so that it has a logarithm."""
    return values.square().mean().sqrt().item() + 0.05


def estimate_noise(levels: Tensor) -> float:
    """Noise where a picture (h, w) is smooth: the lower quartile of what a second difference in both directions finds."""
    kernel = levels.new_tensor([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6  # keeps the sigma of white noise
    energy = F.avg_pool2d(F.conv2d(levels[None, None], kernel[None, None]).square(), 3, stride=2)
    return energy.sqrt().flatten().quantile(0.25).item() + 0.05


def blockiness(levels: Tensor) -> float:
    """How far a picture (h, w) has gone through JPEG, 0..1: the share of fine coefficients that are nothing, on the grid of 8x8
    blocks where they are most, above that on any grid. Nothing can be said of one smaller than two blocks.
    """
    if min(levels.shape) < 17:
        return 0.0
    basis = dct_matrix(levels)
    coefficients = (basis @ levels.unfold(0, 8, 1).unfold(1, 8, 1) @ basis.T).abs()
    place = torch.arange(8)
    small = (coefficients[..., place[:, None] + place >= 5] < SMALL).float().mean(-1)
    grids = torch.stack([small[top::8, left::8].mean() for top in range(8) for left in range(8)])
    return (grids.max() - grids.median()).item()


def dct_matrix(like: Tensor) -> Tensor:
    """The orthonormal 8-point cosine transform, (8, 8), of the tensor's type and device."""
    place = torch.arange(8, dtype=like.dtype, device=like.device)
    basis = torch.cos(math.pi / 8 * torch.outer(place, place + 0.5)) / 2
    basis[0] /= math.sqrt(2)
    return basis
