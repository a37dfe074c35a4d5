"""What tells a clean crop from a noisy, coded or blurred one, and how training learns to weigh it."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from laa_cli.restore.back_projection import back_project, back_project_partially
from laa_cli.restore.fidelity import (
    FEATURES,
    blockiness,
    estimate_fidelity,
    estimate_noise,
    fidelity_features,
    rgb_to_grayscale,
)
from laa_cli.train.calibration import CalibrationCase, add_rare_corruptions, calibrate, fit_coefficients, make_case
from laa_cli.train.data import Samples
from laa_cli.train.tasks import BlindTask
from models.protocol import reduce, resize, to_8_bits

CPU = torch.device("cpu")


def portrait(seed: int = 0, grain: float = 1.0) -> torch.Tensor:
    """Structure at all scales, (1, 3, 128, 128)."""
    random = torch.Generator().manual_seed(seed)
    sides = ((3, 1.0), (8, 0.6), (24, 0.35), (64, 0.2 * grain), (128, 0.1 * grain))
    layers = [share * resize(torch.rand(1, 3, side, side, generator=random), 128) for side, share in sides]
    return to_8_bits(torch.stack(layers).sum(0) / 2.5)


def noise(like: torch.Tensor, sigma: float, seed: int = 0) -> torch.Tensor:
    return sigma / 255 * torch.randn(like.shape, generator=torch.Generator().manual_seed(seed))


def coded(crop: torch.Tensor, quality: int, shift: int = 0) -> torch.Tensor:
    """A crop of a JPEG file whose blocks begin `shift` pixels before the crop."""
    padded = torch.nn.functional.pad(crop, (shift, 0, shift, 0), mode="replicate")[0]
    file = io.BytesIO()
    Image.fromarray(padded.mul(255).round().byte().permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
    pixels = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)[None] / 255
    return pixels[..., shift:, shift:]


@pytest.mark.parametrize("side", [24, 48, 96])
@pytest.mark.parametrize("shift", [0, 3])
@pytest.mark.parametrize("quality", [50, 75, 90])
def test_jpeg_shows_wherever_its_blocks_begin(side: int, shift: int, quality: int) -> None:
    crop = reduce(portrait(1), side)
    before, after = (blockiness(255 * rgb_to_grayscale(image)[0, 0]) for image in (crop, coded(crop, quality, shift)))
    assert before < 0.12
    assert after > before + 0.2


def test_two_blocks_are_needed_to_see_any() -> None:
    assert blockiness(torch.rand(16, 16)) == 0


@pytest.mark.parametrize("sigma", [2, 5, 9])
@pytest.mark.parametrize("side", [40, 90])
def test_noise_shows_where_a_face_is_smooth(sigma: float, side: int) -> None:
    crop = reduce(portrait(2, grain=0), side)
    floors = [estimate_noise(255 * rgb_to_grayscale(image)[0, 0]) for image in (crop, crop + noise(crop[:, :1], sigma))]
    assert floors[1] > floors[0] + 0.3 * sigma
    assert floors[1] < floors[0] + sigma


@pytest.mark.parametrize("side", [8, 9, 16, 17, 96])
def test_evidence_is_finite_even_of_nothing(side: int) -> None:
    for drawn in (torch.zeros(1, 3, 128, 128), portrait()):
        told = fidelity_features(drawn, torch.zeros(1, 3, side, side))
        assert told.shape == (FEATURES,)
        assert told.isfinite().all()
        assert 0 <= estimate_fidelity(tuple([0.1] * FEATURES), drawn, torch.zeros(1, 3, side, side)) <= 1


def test_a_case_is_the_error_over_the_fidelity() -> None:
    truth, drawn = portrait(3), (portrait(3) + noise(portrait(3), 8)).clamp(0.1, 0.9)
    crop = reduce(truth, 30)
    found = make_case(drawn[0], crop[0], truth[0])
    for share in (0.0, 0.4, 1.0):
        expected = (back_project_partially(drawn, crop, share) - truth).square().mean().item()
        assert found.error - 2 * share * found.gain + share**2 * found.change == pytest.approx(expected, rel=0.02)


def test_regression_finds_what_the_evidence_tells() -> None:
    """Two kinds of crops whose evidence differs in one number: one wants to be believed, the other not."""
    kinds = []
    for believe in (True, False):
        told = torch.zeros(FEATURES, dtype=torch.float64)
        told[0], told[3] = 1, 2.0 if believe else -2.0
        kinds.append(CalibrationCase(told, 1.0, 0.9 if believe else 0.0, 1.0))
    found = torch.tensor(fit_coefficients(kinds * 20), dtype=torch.float64)
    high, low = (torch.sigmoid(kind.features @ found).item() for kind in kinds)
    assert high > 0.8
    assert low < 0.1


def test_calibration_believes_clean_crops_and_doubts_noisy_ones() -> None:
    """With a network that smooths: it loses the detail of a clean crop, and takes some of a noisy one's noise away."""

    def network(inputs: torch.Tensor) -> torch.Tensor:
        return resize(resize(inputs, 56), 128)

    faces = torch.cat([portrait(seed) for seed in range(200)]).mul(255).byte()
    gauge = calibrate(network, faces, CPU, BlindTask().make_samples)
    assert len(gauge) == FEATURES
    clean, noisy = [], []
    for seed in range(200, 212):
        crop = reduce(portrait(seed), 90)
        grainy = to_8_bits(crop + noise(crop, 8, seed))
        clean.append(estimate_fidelity(gauge, network(resize(crop, 128)), crop))
        noisy.append(estimate_fidelity(gauge, network(resize(grainy, 128)), grainy))
    assert np.mean(clean) > 0.8
    assert np.mean(noisy) < 0.5


def test_faults_that_training_lacks_are_added() -> None:
    truth = torch.cat([portrait(seed) for seed in range(40)])
    crops = list(reduce(truth, 32))
    found = add_rare_corruptions(Samples(truth, crops, [True] * 40), torch.Generator().manual_seed(0))
    changed = sum(not torch.equal(one, other) for one, other in zip(crops, found.crops, strict=True))
    assert 4 <= changed <= 22
    assert all(crop.shape == (3, 32, 32) for crop in found.crops)


def test_full_fidelity_is_the_photos() -> None:
    crop = reduce(portrait(4), 24)
    torch.testing.assert_close(back_project_partially(portrait(5), crop, 1.0), back_project(portrait(5), crop))
