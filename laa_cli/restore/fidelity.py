"""Fidelity estimator: how far a crop can be trusted; how much of it is the face, and how much noise, JPEG's blocks or blur.

Where a crop is a clean reduction of a sharp face, it differs little from the network's output, at the photo's resolution. The
difference grows with noise and blocks; with blur, that of a photo enlarged before, say, it grows beside the finest detail that
the network drew. A logistic regression on such features, whose coefficients training finds and the weights' card carries, gives
the fidelity.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from models.protocol import resize

from ..utils.tensor_ops import dct_matrix, rgb_to_grayscale, rms

FEATURES = 28  # numbers that `fidelity_features` gives: one, six logarithms, and their products in pairs
LOG_OFFSET = 0.05  # in levels of 255, so that every feature has a logarithm
BLOCKINESS_OFFSET = 0.02  # the same for blockiness, 0..1
SMALL = 0.7  # a coefficient below it, in levels, was rounded to nothing and is there by the decoder's rounding


def estimate_fidelity(coefficients: tuple[float, ...], output: Tensor, crop: Tensor) -> float:
    """Estimates the fidelity, 0..1: how far the network's output should be back-projected onto a crop.

    `coefficients`: FEATURES of them; `output`: (1, 3, s, s), `crop`: (1, 3, e, e), both RGB in [0, 1].
    """
    logit = fidelity_features(output, crop) @ torch.tensor(coefficients, dtype=torch.float64)
    return torch.sigmoid(logit).item()


def fidelity_features(output: Tensor, crop: Tensor) -> Tensor:
    """Computes the regression's features, (FEATURES,) float64: what tells a clean crop from others.

    `output`: the network's (1, 3, s, s), `crop`: (1, 3, e, e), both RGB in [0, 1].
    """
    side = crop.shape[-1]
    reduced, levels = 255 * resize(output, side), 255 * crop
    difference, detail = levels - reduced, reduced - resize(resize(reduced, max(4, side // 2)), side)
    gray = rgb_to_grayscale(levels)[0, 0]
    values = [
        rms(rgb_to_grayscale(difference)),
        rms(difference - rgb_to_grayscale(difference)),
        rms(rgb_to_grayscale(detail)),
        estimate_noise(gray),
    ]
    logarithms = [math.log(value + LOG_OFFSET) for value in values]
    logarithms += [math.log(blockiness(gray) + BLOCKINESS_OFFSET), math.log(side)]
    products = [one * other for index, one in enumerate(logarithms) for other in logarithms[index:]]
    return torch.tensor([1.0, *logarithms, *products], dtype=torch.float64)


def estimate_noise(levels: Tensor) -> float:
    """Estimates the noise's sigma where a grey picture (h, w) is smooth, in its units.

    The lower quartile of the local RMS of a second difference in both directions.
    """
    kernel = levels.new_tensor([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6  # keeps the sigma of white noise
    energy = F.avg_pool2d(F.conv2d(levels[None, None], kernel[None, None]).square(), 3, stride=2)
    return energy.sqrt().flatten().quantile(0.25).item()


def blockiness(levels: Tensor) -> float:
    """Measures JPEG's blocking in a grey picture (h, w) in [0, 255]: 0..1, and 0 of one smaller than two blocks.

    The share of fine DCT coefficients that are nothing, on the grid of 8x8 blocks where they are most, above that on any grid.
    """
    if min(levels.shape) < 17:
        return 0.0
    basis = dct_matrix(levels)
    coefficients = (basis @ levels.unfold(0, 8, 1).unfold(1, 8, 1) @ basis.T).abs()
    place = torch.arange(8)
    small = (coefficients[..., place[:, None] + place >= 5] < SMALL).float().mean(-1)
    grids = torch.stack([small[top::8, left::8].mean() for top in range(8) for left in range(8)])
    return (grids.max() - grids.median()).item()
