"""The fidelity estimator: features of clean, noisy, coded and blurred crops."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from fakes import gaussian_noise, grainy_portrait
from PIL import Image

from laa_cli.restore.back_projection import back_project, back_project_partially
from laa_cli.restore.fidelity import FEATURES, blockiness, estimate_fidelity, estimate_noise, fidelity_features
from laa_cli.utils.tensor_ops import rgb_to_grayscale
from models.protocol import reduce


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
    crop = reduce(grainy_portrait(1), side)
    before, after = (blockiness(255 * rgb_to_grayscale(image)[0, 0]) for image in (crop, coded(crop, quality, shift)))
    assert before < 0.12
    assert after > before + 0.2


def test_two_blocks_are_needed_to_see_any() -> None:
    assert blockiness(torch.rand(16, 16)) == 0


@pytest.mark.parametrize("sigma", [2, 5, 9])
@pytest.mark.parametrize("side", [40, 90])
def test_noise_shows_where_a_face_is_smooth(sigma: float, side: int) -> None:
    crop = reduce(grainy_portrait(2, grain=0), side)
    floors = [
        estimate_noise(255 * rgb_to_grayscale(image)[0, 0]) for image in (crop, crop + gaussian_noise(crop[:, :1], sigma))
    ]
    assert floors[1] > floors[0] + 0.3 * sigma
    assert floors[1] < floors[0] + sigma


@pytest.mark.parametrize("side", [8, 9, 16, 17, 96])
def test_features_are_finite_even_of_nothing(side: int) -> None:
    for output in (torch.zeros(1, 3, 128, 128), grainy_portrait()):
        features = fidelity_features(output, torch.zeros(1, 3, side, side))
        assert features.shape == (FEATURES,)
        assert features.isfinite().all()
        assert 0 <= estimate_fidelity(tuple([0.1] * FEATURES), output, torch.zeros(1, 3, side, side)) <= 1


def test_full_fidelity_is_the_photos() -> None:
    crop = reduce(grainy_portrait(4), 24)
    torch.testing.assert_close(back_project_partially(grainy_portrait(5), crop, 1.0), back_project(grainy_portrait(5), crop))
