"""How training fits the error bars."""

from __future__ import annotations

import math

import pytest
import torch
from fakes import CPU, grainy_portrait, pictures
from torch import Tensor

from laa_cli.interfaces import FaceCrop
from laa_cli.restore.doubt import estimate_doubt
from laa_cli.restore.doubt_features import FEATURES
from laa_cli.restore.restorer import NetworkRestorer
from laa_cli.train import doubt_calibration
from laa_cli.train.doubt_calibration import calibrate_doubt, draw_pair, fit_quantile, sharper_half
from laa_cli.train.face_tasks import BlindTask
from models.protocol import resize


def test_a_known_quantile_is_found() -> None:
    """Errors that are normal with a sigma of exp(1 + 0.5 x): 90 % of them are within 1.645 sigma."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(40000, 1, generator=random, dtype=torch.float64)
    errors = (torch.randn(40000, 3, generator=random, dtype=torch.float64) * (1 + 0.5 * x).exp()).abs()
    features = torch.cat([torch.ones_like(x), x], 1)
    constant, slope = fit_quantile(features, errors)
    assert constant == pytest.approx(1 + math.log(1.645), abs=0.02)
    assert slope == pytest.approx(0.5, abs=0.01)
    assert fit_quantile(features, errors, 0.5)[0] == pytest.approx(1 + math.log(0.6745), abs=0.02)


def test_a_feature_that_never_changes_is_harmless() -> None:
    features = torch.ones(1000, 2, dtype=torch.float64)
    errors = torch.rand(1000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 100
    constant, slope = fit_quantile(features, errors)
    assert math.exp(constant + slope) == pytest.approx(90, abs=4)


def blurring(inputs: Tensor) -> Tensor:
    return resize(resize(inputs, 40), 128)


def test_error_bars_hold_on_faces_that_they_were_not_fitted_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubt_calibration, "FACES", 60)
    faces = torch.cat([grainy_portrait(seed) for seed in range(120)]).mul(255).byte()
    restorer = NetworkRestorer(blurring, CPU, (10, 96))
    coefficients = calibrate_doubt(restorer, faces, BlindTask().make_single_samples)
    assert len(coefficients) == FEATURES
    restorer.doubt_coefficients = coefficients
    random, within = torch.Generator().manual_seed(1), []
    others = torch.cat([grainy_portrait(seed) for seed in range(200, 248)]).mul(255).byte()
    for other in sharper_half(others):
        truth, crop = draw_pair(other[None], BlindTask().make_single_samples, random)
        (face,) = restorer([FaceCrop(crop)])
        doubt = estimate_doubt(restorer, FaceCrop(crop), face)
        assert doubt is not None
        within.append(((face.face - truth).abs() <= doubt.half_width).float().mean())
    assert torch.stack(within).mean().item() == pytest.approx(0.9, abs=0.03)


def test_pairs_are_faces_as_photos_show_them() -> None:
    random = torch.Generator().manual_seed(0)
    faces = pictures(1, 144)
    sides = set()
    for _ in range(30):
        truth, crop = draw_pair(faces, BlindTask().make_single_samples, random)
        assert truth.shape == (3, 128, 128)
        assert crop.shape == (3, crop.shape[-1], crop.shape[-1])
        assert (resize(crop[None], 8) - resize(truth[None], 8)).abs().mean() < 0.1
        sides.add(crop.shape[-1])
    assert len(sides) > 10


def test_soft_faces_are_left_out() -> None:
    sharp = torch.cat([grainy_portrait(seed) for seed in range(4)])
    faces = torch.stack([sharp, resize(resize(sharp, 60), 128)], 1).flatten(0, 1).mul(255).byte()
    assert torch.equal(sharper_half(faces), faces[::2])


def test_faces_that_are_left_as_they_are_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    restorer = NetworkRestorer(blurring, CPU, (10, 96))
    monkeypatch.setattr(restorer, "estimate_fidelity", lambda *_: 0.1)
    monkeypatch.setattr(doubt_calibration, "draw_pair", lambda *_: (torch.rand(3, 128, 128), torch.rand(3, 80, 80)))
    assert calibrate_doubt(restorer, pictures(2, 144), BlindTask().make_single_samples) == ()
