"""Finds the coefficients of `gauge.fidelity` for trained weights: the ones that bring faces closest to the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.protocol import network_input, reduce, resize, to_8_bits

from ..restore.back_projection import split_correction
from ..restore.fidelity import FEATURES, fidelity_features
from .corruptions import uniform
from .tasks import BlindTask, Samples

FACES = 1536
ENLARGED_SHARE, NOISE_SHARE = 0.12, 0.18  # of the crops: a photo enlarged before, and noise alone, which `Photo` has seldom
PENALTY = 3e-4  # on the coefficients' squares, so that rare evidence stays moderate


@dataclass(frozen=True)
class CalibrationCase:
    """A face: the evidence, and the mean squared error over fidelity f, which is `error` - 2 f `gain` + f^2 `change`."""

    evidence: Tensor
    error: float
    gain: float
    change: float


@torch.no_grad()
def calibrate(network: Callable[[Tensor], Tensor], faces: Tensor, device: torch.device, seed: int = 0) -> tuple[float, ...]:
    """`network`: trained by the task "photo". `faces`: (n, 3, s, s) uint8 RGB, s from 128 to 144; the first FACES count."""
    random = torch.Generator().manual_seed(seed)
    cases: list[CalibrationCase] = []
    for part in faces[:FACES].split(8):
        samples = add_rare_corruptions(BlindTask()(part, random), random)
        drawn = network(torch.cat([network_input(crop[None]) for crop in samples.crops]).to(device)).float().cpu()
        cases += [make_case(*item) for item in zip(drawn, samples.crops, samples.truth, strict=True)]
    return fit_coefficients(cases)


def add_rare_corruptions(samples: Samples, random: torch.Generator) -> Samples:
    """The samples, some of their crops with faults that `Photo` does not have or seldom has alone."""
    crops = []
    for crop, truth in zip(samples.crops, samples.truth, strict=True):
        chance, side = uniform(random, 0, 1), crop.shape[-1]
        if chance < ENLARGED_SHARE:
            small = reduce(truth[None], max(8, round(side / uniform(random, 1.5, 4))))
            crops.append(to_8_bits(resize(small, side))[0])
        elif chance < ENLARGED_SHARE + NOISE_SHARE:
            noise = torch.randn((3 if uniform(random, 0, 1) < 0.6 else 1, side, side), generator=random)
            crops.append(to_8_bits(reduce(truth[None], side)[0] + uniform(random, 1, 10) / 255 * noise))
        else:
            crops.append(crop)
    return Samples(samples.truth, crops, samples.back_projected)


def make_case(drawn: Tensor, crop: Tensor, truth: Tensor) -> CalibrationCase:
    """What a face of known truth teaches."""
    coarse, fine = split_correction(drawn[None], crop[None])
    missing = truth[None] - coarse
    return CalibrationCase(
        fidelity_features(drawn[None], crop[None]),
        missing.square().mean().item(),
        (missing * fine).mean().item(),
        fine.square().mean().item(),
    )


def fit_coefficients(cases: list[CalibrationCase]) -> tuple[float, ...]:
    """Logistic regression of the fidelity on the evidence, for the highest mean PSNR."""
    weights = torch.zeros(FEATURES, dtype=torch.float64, requires_grad=True)
    told = torch.stack([case.evidence for case in cases])
    error, gain, change = (
        torch.tensor([getattr(case, name) for case in cases], dtype=torch.float64) for name in ("error", "gain", "change")
    )
    optimizer = torch.optim.LBFGS([weights], max_iter=400, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        fidelity = torch.sigmoid(told @ weights)
        left = (error - 2 * fidelity * gain + fidelity**2 * change).clamp_min(1e-12)
        value = torch.log10(left / error).mean() + PENALTY * weights.square().mean()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    return tuple(round(value, 4) for value in weights.tolist())
