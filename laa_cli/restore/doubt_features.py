"""What the error bars of a restored face are computed from: a log-linear quantile regression on features of each pixel.

Beside the spread over perturbed copies of the crop (see `doubt`), the face's own contrast tells where an error is large: at an
edge that is a pixel off.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ..utils.tensor_ops import rgb_to_grayscale

COVERAGE = 0.9  # of R, G and B of all pixels, the truth lies within the half width
LEVELS = 255
SPREAD_FLOOR, CONTRAST_FLOOR = 0.5, 1.0  # levels, so that where there is none it has a logarithm
SPREAD_BOXES_PX, CONTRAST_BOXES_PX = (1, 5, 17), (5, 9, 17, 33)  # sides of the boxes around a pixel
SIDES_PX = (12, 80)  # of crops that the calibration sees; others are taken for the nearest of them
MIDDLE_SIDE_PX = 24  # where the logarithm of the side is 0
FEATURES = 19  # numbers that `compute_features` gives for each pixel


def compute_features(square: Tensor, face: Tensor, side: int, fidelity: float) -> Tensor:
    """Computes the regression's features, (FEATURES, 128, 128): one, and what tells how large a pixel's error may be.

    They are the logarithms of spread and contrast around the pixel, its brightness, the face's mean spread, side and fidelity,
    and some products. `square`: the mean square spread, (128, 128); `face`: (3, 128, 128), both of RGB in [0, 1]; `side`: of
    the crop, px.
    """
    square, luma = LEVELS**2 * square[None], LEVELS * rgb_to_grayscale(face[None])[0]
    everywhere = torch.ones_like(luma)
    spreads = [log_rms(box_mean(square, box), SPREAD_FLOOR) for box in SPREAD_BOXES_PX]
    contrasts = [log_rms(box_variance(luma, box), CONTRAST_FLOOR) for box in CONTRAST_BOXES_PX]
    brightness = luma / (LEVELS / 2) - 1
    mean_spread = log_rms(square.mean() * everywhere, SPREAD_FLOOR)
    log_side = math.log(min(max(side, SIDES_PX[0]), SIDES_PX[1]) / MIDDLE_SIDE_PX) * everywhere
    trust = fidelity * everywhere
    of_face = [mean_spread, log_side, trust, log_side.square(), log_side * trust]
    products = [one * other for one in (spreads[0], contrasts[1]) for other in (log_side, trust)]
    return torch.cat([everywhere, *spreads, *contrasts, brightness, brightness.square(), *of_face, *products])


def compute_half_width(features: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    """Computes half the width of the error bars, (128, 128) in [0, 1], of features (FEATURES, 128, 128)."""
    logarithm = torch.tensordot(torch.tensor(coefficients, dtype=torch.float64), features.double(), 1)
    return (logarithm.exp() / LEVELS).nan_to_num(1.0).clamp(0, 1).float()


def log_rms(square: Tensor, floor: float) -> Tensor:
    """Computes the logarithm of the root of a mean square, in levels, with a floor where it is nothing."""
    return (square + floor**2).log() / 2


def box_variance(image: Tensor, size: int) -> Tensor:
    """Computes the variance in the box of `size`, odd, around each pixel of (1, h, w)."""
    return (box_mean(image.square(), size) - box_mean(image, size).square()).clamp_min(0)


def box_mean(image: Tensor, size: int) -> Tensor:
    """Computes the mean over the box of `size`, odd, around each pixel of (1, h, w), reflected at the border."""
    padded = F.pad(image[None], (size // 2,) * 4, mode="reflect")
    return F.avg_pool2d(F.avg_pool2d(padded, (1, size), 1), (size, 1), 1)[0]  # 8 times as fast as at once for 33 px
