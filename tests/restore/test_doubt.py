"""Doubt: perturbed copies come back to their place, and a network that always says the same leaves the floor."""

from __future__ import annotations

import pytest
import torch

from laa_cli.restore.doubt import (
    PERTURBATIONS,
    REGIONS,
    Doubt,
    Perturbation,
    sees,
    summarize_doubt,
    warp,
)
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
