"""How training fits the fidelity estimator for the background."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fakes import CPU, gaussian_noise, grainy_portrait
from photo_sets import coordinates
from torch import Tensor, nn

from laa_cli.restore.fidelity import FEATURES, estimate_fidelity
from laa_cli.train import photo_calibration
from laa_cli.train.photo_calibration import calibrate_photos, corrupt_square, make_photo_case
from laa_cli.train.photo_data import PhotoSet, TrainingPhoto
from models.protocol import reduce, resize, to_8_bits


class Smoothing(nn.Module):
    """It loses the detail of a clean picture, and takes some of a noisy one's noise away."""

    def forward(self, lr: Tensor) -> Tensor:
        side = lr.shape[-1]
        return resize(resize(lr, round(0.6 * side)), 2 * side)


def test_clean_squares_are_believed_and_noisy_ones_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_calibration, "SQUARES", 160)
    truths = [grainy_portrait(seed) for seed in range(40)]
    photos = [
        TrainingPhoto("it", truth[0].mul(255).round().byte(), reduce(truth, 64)[0].mul(255).round().byte()) for truth in truths
    ]
    coefficients = calibrate_photos(Smoothing(), PhotoSet.of(photos), CPU)
    assert len(coefficients) == FEATURES
    clean, noisy = [], []
    for seed in range(60, 70):
        lr = reduce(grainy_portrait(seed), 64)
        grainy = to_8_bits(lr + gaussian_noise(lr, 8, seed))
        clean.append(estimate_fidelity(coefficients, Smoothing()(lr), lr))
        noisy.append(estimate_fidelity(coefficients, Smoothing()(grainy), grainy))
    assert np.mean(clean) > 0.8
    assert np.mean(noisy) < 0.5


@pytest.mark.parametrize(("scale", "side"), [(2, 48), (3, 70), (4, 100)])
def test_a_square_of_any_photo_is_measured(scale: int, side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = []

    def case(output: Tensor, lr: Tensor, truth: Tensor, split: object) -> None:
        assert output.shape == truth.shape
        assert truth.shape[-1] == scale * lr.shape[-1]
        shapes.append(lr.shape[-1])

    class Network(nn.Module):
        def forward(self, lr: Tensor) -> Tensor:
            return resize(lr, scale * lr.shape[-1])

    monkeypatch.setattr(photo_calibration, "make_case", case)
    random = torch.Generator().manual_seed(0)
    for _ in range(20):
        make_photo_case(Network(), coordinates(side, side, scale), CPU, random)
    assert 48 <= min(shapes) <= max(shapes) <= 64
    assert max(shapes) > 60 or side < 80


def test_squares_have_every_fault() -> None:
    lr, random = reduce(grainy_portrait(3), 64)[0], torch.Generator().manual_seed(0)
    found = [corrupt_square(lr, random) for _ in range(200)]
    assert 40 < sum(torch.equal(one, lr) for one in found) < 90
    assert all(torch.equal(one, to_8_bits(one)) for one in found)
