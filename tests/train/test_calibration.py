"""How training fits the fidelity estimator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fakes import CPU, gaussian_noise, grainy_portrait

from laa_cli.restore.back_projection import back_project_partially
from laa_cli.restore.fidelity import FEATURES, estimate_fidelity
from laa_cli.train.calibration import CalibrationCase, add_rare_corruptions, calibrate, fit_coefficients, make_case
from laa_cli.train.face_data import FaceSamples
from laa_cli.train.face_tasks import BlindTask
from models.protocol import reduce, resize, to_8_bits


def test_a_case_is_the_error_over_the_fidelity() -> None:
    truth, restored = grainy_portrait(3), (grainy_portrait(3) + gaussian_noise(grainy_portrait(3), 8)).clamp(0.1, 0.9)
    crop = reduce(truth, 30)
    found = make_case(restored[0], crop[0], truth[0])
    for share in (0.0, 0.4, 1.0):
        expected = (back_project_partially(restored, crop, share) - truth).square().mean().item()
        assert found.error - 2 * share * found.gain + share**2 * found.change == pytest.approx(expected, rel=0.02)


def test_regression_finds_what_the_features_tell() -> None:
    """Two kinds of crops whose features differ in one number: one wants to be believed, the other not."""
    kinds = []
    for believe in (True, False):
        features = torch.zeros(FEATURES, dtype=torch.float64)
        features[0], features[3] = 1, 2.0 if believe else -2.0
        kinds.append(CalibrationCase(features, 1.0, 0.9 if believe else 0.0, 1.0))
    found = torch.tensor(fit_coefficients(kinds * 20), dtype=torch.float64)
    high, low = (torch.sigmoid(kind.features @ found).item() for kind in kinds)
    assert high > 0.8
    assert low < 0.1


def test_calibration_believes_clean_crops_and_doubts_noisy_ones() -> None:
    """With a network that smooths: it loses the detail of a clean crop, and takes some of a noisy one's noise away."""

    def network(inputs: torch.Tensor) -> torch.Tensor:
        return resize(resize(inputs, 56), 128)

    faces = torch.cat([grainy_portrait(seed) for seed in range(200)]).mul(255).byte()
    coefficients = calibrate(network, faces, CPU, BlindTask().make_single_samples)
    assert len(coefficients) == FEATURES
    clean, noisy = [], []
    for seed in range(200, 212):
        crop = reduce(grainy_portrait(seed), 90)
        grainy = to_8_bits(crop + gaussian_noise(crop, 8, seed))
        clean.append(estimate_fidelity(coefficients, network(resize(crop, 128)), crop))
        noisy.append(estimate_fidelity(coefficients, network(resize(grainy, 128)), grainy))
    assert np.mean(clean) > 0.8
    assert np.mean(noisy) < 0.5


def test_corruptions_that_training_lacks_are_added() -> None:
    truth = torch.cat([grainy_portrait(seed) for seed in range(40)])
    crops = list(reduce(truth, 32))
    found = add_rare_corruptions(FaceSamples(truth, crops, [True] * 40), torch.Generator().manual_seed(0))
    changed = sum(not torch.equal(one, other) for one, other in zip(crops, found.crops, strict=True))
    assert 4 <= changed <= 22
    assert all(crop.shape == (3, 32, 32) for crop in found.crops)
