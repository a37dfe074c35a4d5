"""Fits the fidelity estimator to trained weights: the coefficients that bring faces closest to the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.protocol import reduce, resize, to_8_bits

from ..restore.back_projection import split_correction
from ..restore.fidelity import FEATURES, fidelity_features
from .corruptions import uniform
from .face_data import FaceSamples

Split = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # see split_correction

FACES = 1536
ENLARGED_SHARE = 0.12  # of the crops are of a photo that was enlarged before
NOISE_SHARE = 0.18  # of the crops have noise alone, which `BlindTask` has seldom
PENALTY = 3e-4  # on the coefficients' squares (L2 regularisation), so that those of rare features stay moderate


@dataclass(frozen=True)
class CalibrationCase:
    """A face: its features (FEATURES,), and the mean squared error over fidelity f: `error` - 2 f `gain` + f^2 `change`."""

    features: Tensor
    error: float
    gain: float
    change: float


@torch.no_grad()
def calibrate(
    network: Callable[[Tensor], Tensor],
    faces: Tensor,
    device: torch.device,
    make_samples: Callable[[Tensor, torch.Generator], FaceSamples],
    seed: int = 0,
) -> tuple[float, ...]:
    """Fits coefficients, (FEATURES,). `faces`: (n, 3, s, s) uint8 RGB, s from 128 to 144; only the first FACES are used.

    `network`: trained for crops such as `make_samples` draws.
    """
    random = torch.Generator().manual_seed(seed)
    cases: list[CalibrationCase] = []
    for part in faces[:FACES].split(8):
        samples = add_rare_corruptions(make_samples(part, random), random)
        restored = network(samples.network_inputs()[0].to(device)).float().cpu()
        cases += [make_case(*item) for item in zip(restored, samples.crops, samples.truth, strict=True)]
    return fit_coefficients(cases)


def add_rare_corruptions(samples: FaceSamples, random: torch.Generator) -> FaceSamples:
    """Replaces some crops by ones with corruptions that `BlindTask` does not draw, or seldom draws alone."""
    crops = []
    for crop, truth in zip(samples.crops, samples.truth, strict=True):
        chance, side = uniform(random, 0, 1), crop.shape[-1]
        if chance < ENLARGED_SHARE:
            small = reduce(truth[None], max(8, round(side / uniform(random, 1.5, 4))))
            crops.append(to_8_bits(resize(small, side))[0])
        elif chance < ENLARGED_SHARE + NOISE_SHARE:
            crops.append(to_8_bits(add_white_noise(reduce(truth[None], side)[0], random)))
        else:
            crops.append(crop)
    return FaceSamples(samples.truth, crops, samples.back_projected)


def add_white_noise(crop: Tensor, random: torch.Generator) -> Tensor:
    """Adds noise of a sigma of 1 to 10 of 255 to (3, e, e) in [0, 1], of each channel or of all."""
    side = crop.shape[-1]
    noise = torch.randn((3 if uniform(random, 0, 1) < 0.6 else 1, side, side), generator=random)
    return crop + uniform(random, 1, 10) / 255 * noise


def make_case(restored: Tensor, crop: Tensor, truth: Tensor, split: Split = split_correction) -> CalibrationCase:
    """Measures a face, or a square of a photo: `restored`, `truth` (3, s, s), `crop` (3, e, e), all RGB in [0, 1]."""
    coarse, fine = split(restored[None], crop[None])
    missing = truth[None] - coarse
    return CalibrationCase(
        fidelity_features(restored[None], crop[None]),
        missing.square().mean().item(),
        (missing * fine).mean().item(),
        fine.square().mean().item(),
    )


def fit_coefficients(cases: list[CalibrationCase]) -> tuple[float, ...]:
    """Fits a logistic regression of the fidelity on the features, by L-BFGS, for the highest mean PSNR."""
    weights = torch.zeros(FEATURES, dtype=torch.float64, requires_grad=True)
    features = torch.stack([case.features for case in cases])
    error, gain, change = (
        torch.tensor([getattr(case, name) for case in cases], dtype=torch.float64) for name in ("error", "gain", "change")
    )
    optimizer = torch.optim.LBFGS([weights], max_iter=400, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        fidelity = torch.sigmoid(features @ weights)
        remaining = (error - 2 * fidelity * gain + fidelity**2 * change).clamp_min(1e-12)
        value = torch.log10(remaining / error).mean() + PENALTY * weights.square().mean()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    return tuple(round(value, 4) for value in weights.tolist())
