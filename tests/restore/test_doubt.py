"""Doubt: perturbed copies come back to their place, and a network that always says the same leaves the floor."""

from __future__ import annotations

import math

import pytest
import torch
from fakes import CPU

from laa_cli.interfaces import FaceCrop
from laa_cli.restore.doubt import (
    PERTURBATIONS,
    REGIONS,
    Doubt,
    Perturbation,
    estimate_doubt,
    mean_square_spread,
    sees,
    summarize_doubt,
    warp,
)
from laa_cli.restore.doubt_features import FEATURES, SPREAD_FLOOR, box_variance, compute_features, compute_half_width
from laa_cli.restore.face_network import Network
from laa_cli.restore.restorer import NetworkRestorer
from models.protocol import resize


def smooth_picture(size: int) -> torch.Tensor:
    return resize(torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0)), size).clamp(0, 1)


@pytest.mark.parametrize("perturbation", PERTURBATIONS)
def test_a_perturbation_is_undone(perturbation: Perturbation) -> None:
    crop, face = smooth_picture(32), smooth_picture(128)
    matrix = perturbation.matrix(32)[None]
    changed = resize(warp(crop, matrix), 128)
    seen = sees(matrix.inverse())
    difference = (warp(changed, matrix.inverse()) - face).abs() * seen
    assert seen.mean() > 0.9
    assert (difference.mean() / seen.mean()).item() < 0.004
    assert (changed - face).abs().mean().item() > 0.01  # it was changed


def test_where_a_perturbation_goes() -> None:
    """A crop moved right by a pixel shows what was there a pixel further right; mirrored, the left side is the right one."""
    crop = smooth_picture(16)
    moved = warp(crop, Perturbation(right_px=1).matrix(16)[None])
    assert torch.allclose(moved[..., :-1], crop[..., 1:], atol=1e-5)
    moved = warp(crop, Perturbation(down_px=1).matrix(16)[None])
    assert torch.allclose(moved[..., :-1, :], crop[..., 1:, :], atol=1e-5)
    assert torch.allclose(warp(crop, Perturbation(mirrored=True).matrix(16)[None]), crop.flip(3), atol=1e-5)


def test_what_a_moved_crop_does_not_see() -> None:
    seen = sees(Perturbation(right_px=1).matrix(16)[None].inverse())[0, 0]
    assert seen[:, 8:].all()
    assert not seen[:, :7].any()


def test_the_summary_is_the_mean_of_each_region() -> None:
    half_width = torch.full((128, 128), 4 / 255)
    left, top, right, bottom = REGIONS["eyes"]
    half_width[top:bottom, left:right] = 10 / 255
    assert summarize_doubt(Doubt(half_width)) == pytest.approx({"eyes": 10, "mouth": 4, "rest": 4}, rel=1e-5)


COEFFICIENTS = (0.5, 0.8, *[0.0] * (FEATURES - 2))  # the logarithm of the half width is 0.5 + 0.8 that of the spread


def restored(crop: torch.Tensor, network: Network, coefficients: tuple[float, ...] = COEFFICIENTS) -> Doubt | None:
    restorer = NetworkRestorer(network, CPU, (10, 96), 0.0, doubt_coefficients=coefficients)
    (face,) = restorer([FaceCrop(crop)])
    return estimate_doubt(restorer, FaceCrop(crop), face)


def test_a_network_that_always_says_the_same_leaves_the_floor() -> None:
    doubt = restored(torch.full((3, 24, 24), 0.5), lambda inputs: torch.full_like(inputs, 0.5))
    assert doubt is not None
    expected = math.exp(0.5 + 0.8 * math.log(SPREAD_FLOOR)) / 255
    assert doubt.half_width.shape == (128, 128)
    assert doubt.half_width.numpy() == pytest.approx(expected, rel=1e-4)


def test_doubt_is_where_the_network_changes_its_mind() -> None:
    """A network that darkens the left half: where the crop is mirrored, that is the other one."""

    def network(inputs: torch.Tensor) -> torch.Tensor:
        output = torch.full_like(inputs, 0.5)
        output[..., 32:96, :16] += 0.1 * torch.tensor([1.0, -1.0]).repeat(32)[:, None]
        return output

    doubt = restored(torch.full((3, 24, 24), 0.5), network)
    assert doubt is not None
    middle = doubt.half_width[40:88]
    for part in (middle[:, 4:12], middle[:, 116:124]):
        assert part.mean() > 5 * middle[:, 40:88].mean()


def test_weights_without_coefficients_have_no_error_bars() -> None:
    assert restored(smooth_picture(24)[0], lambda inputs: inputs, ()) is None


def test_the_spread_is_of_those_that_have_seen_the_pixel() -> None:
    face = torch.zeros(3, 128, 128)
    faces = torch.stack([face + 0.1, face + 0.3])
    seen = torch.ones(2, 1, 128, 128)
    seen[1, :, :, 64:] = 0
    found = mean_square_spread(faces, seen, face)
    assert found[:, :64].numpy() == pytest.approx(0.05)
    assert found[:, 64:].numpy() == pytest.approx(0.01)


def test_features_are_as_many_as_said_and_finite_for_any_face() -> None:
    for face, side in ((torch.zeros(3, 128, 128), 1), (torch.ones(3, 128, 128), 400), (smooth_picture(128)[0], 30)):
        found = compute_features(torch.zeros(128, 128), face, side, 0.0)
        assert found.shape == (FEATURES, 128, 128)
        assert found.isfinite().all()


def test_contrast_is_measured_around_each_pixel() -> None:
    image = torch.zeros(1, 64, 64)
    image[0, 20, 30] = 9.0
    found = box_variance(image, 3)
    assert found[0, 21, 31].item() == pytest.approx(81 / 9 - 1)
    assert found[0, 20, 33] == 0


def test_error_bars_are_within_the_range_whatever_the_coefficients() -> None:
    features = compute_features(torch.ones(128, 128), smooth_picture(128)[0], 30, 1.0)
    for coefficients in ((1e300,) * FEATURES, (1e308, -1e308) + (1e308,) * (FEATURES - 2), (99.0, *[0.0] * (FEATURES - 1))):
        found = compute_half_width(features, coefficients)
        assert found.min() >= 0
        assert found.max() <= 1
    assert (found == 1).all()
