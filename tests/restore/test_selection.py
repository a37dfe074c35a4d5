"""Which faces are restored, and how true to the photo they stay."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from fakes import FakeRestorer

from laa_cli.detect.mtcnn import Face
from laa_cli.interfaces import FaceCrop, RestoredFace
from laa_cli.options import Options
from laa_cli.restore.back_projection import back_project, back_project_partially, rmse_at_crop_resolution
from laa_cli.restore.fidelity import FEATURES
from laa_cli.restore.fidelity import estimate_fidelity as believed
from laa_cli.restore.restorer import NetworkRestorer
from laa_cli.restore.selection import MAX_LEFT_ROLL_DEG, MAX_YAW_RATIO, assess, estimate_roll_deg, yaw_ratio
from laa_cli.upscale import Upscaler
from models.protocol import network_input, reduce, resize, to_8_bits

FRONTAL = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))


def head(side: float, roll_deg: float = 0.0, nose: float = 0.5) -> Face:
    """A head of a size, rolled clockwise about its middle, its nose at a place across the box."""
    angle = math.radians(roll_deg)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    points = [(nose if index == 2 else x, y) for index, (x, y) in enumerate(FRONTAL)]
    places = (np.array(points) - 0.5) @ turn.T * side + 100
    corners = 100 - side / 2, 100 + side / 2
    return Face((corners[0], corners[0], corners[1], corners[1]), 1.0, tuple(map(tuple, places.tolist())))


@pytest.mark.parametrize("roll_deg", [-45, -13, -5, 0, 11, 30, 60])
def test_heads_are_turned_upright_from_a_roll_that_shows(roll_deg: float) -> None:
    face = head(40, roll_deg)
    assert estimate_roll_deg(face) == pytest.approx(roll_deg)
    report = assess(face, Options())
    assert report.restored
    assert report.roll_deg == pytest.approx(roll_deg if abs(roll_deg) > MAX_LEFT_ROLL_DEG else 0)
    assert ("upright" in report.reason) == (abs(roll_deg) > MAX_LEFT_ROLL_DEG)
    assert report.square.side == 50
    assert (report.square.x + report.square.side / 2, report.square.y + report.square.side / 2) == pytest.approx(
        (100, 100), abs=0.5
    )


@pytest.mark.parametrize("roll_deg", [0, 35])
def test_heads_turned_far_aside_are_left(roll_deg: float) -> None:
    assert yaw_ratio(head(40, roll_deg)) == pytest.approx(0)
    assert yaw_ratio(head(40, roll_deg, nose=0.6)) == pytest.approx(0.25)
    assert assess(head(40, roll_deg, nose=0.5 + 0.35 * MAX_YAW_RATIO), Options()).restored
    report = assess(head(40, roll_deg, nose=0.5 - 0.45 * MAX_YAW_RATIO), Options())
    assert not report.restored
    assert "aside" in report.reason


def test_large_faces_are_left() -> None:
    assert assess(head(40), Options(max_face_px=50)).restored
    report = assess(head(41), Options(max_face_px=50))
    assert not report.restored
    assert report.reason == "larger than --max-face 50"


def portrait(seed: int = 0) -> torch.Tensor:
    """Structure at all scales, (1, 3, 128, 128)."""
    random = torch.Generator().manual_seed(seed)
    layers = [resize(torch.rand(1, 3, side, side, generator=random), 128) / side**0.5 for side in (3, 8, 24, 64)]
    return to_8_bits(torch.stack(layers).sum(0))


def test_the_coarse_part_is_always_the_photos() -> None:
    truth = portrait()
    crop = reduce(truth, 40)
    tinted = truth * 0.8 + 0.1
    found = back_project_partially(tinted, crop, 0.0)
    before, after = (resize(resize(face, 40) - crop, 10).abs().mean() for face in (tinted, found))
    assert after < 0.1 * before
    assert (found - back_project(tinted, crop)).abs().mean() > 0.001  # and the fine part is not


def test_full_fidelity_is_back_projection() -> None:
    truth, crop = portrait(1), reduce(portrait(2), 24)
    torch.testing.assert_close(back_project_partially(truth, crop, 1.0), back_project(truth, crop))


@pytest.mark.parametrize("fidelity", [0.0, 0.5, 1.0, None])
def test_the_restorer_says_how_true_it_stayed(fidelity: float | None) -> None:
    crop = reduce(portrait(4), 30)
    gauge = tuple(0.01 * number for number in range(FEATURES))
    restorer = NetworkRestorer(lambda inputs: inputs * 0.9, torch.device("cpu"), (10, 96), fidelity, gauge)
    (restored,) = restorer([FaceCrop(crop[0])])
    found = believed(gauge, resize(crop, 128).clamp(0, 1) * 0.9, crop)
    expected = (found if found < 0.5 else 1.0) if fidelity is None else fidelity
    assert restored.fidelity == pytest.approx(expected)
    assert restored.consistency == pytest.approx(rmse_at_crop_resolution(restored.face[None], crop))


@pytest.mark.parametrize(("bias", "fidelity"), [(-1.0, None), (1.0, None), (-1.0, 0.0)])
@pytest.mark.parametrize("side", [64, 65])
def test_large_noisy_crops_are_left_unless_a_fidelity_is_asked_for(bias: float, fidelity: float | None, side: int) -> None:
    crop = reduce(portrait(7), side)
    gauge = (bias, *[0.0] * (FEATURES - 1))
    (restored,) = NetworkRestorer(lambda inputs: inputs * 0.5, torch.device("cpu"), (10, 96), fidelity, gauge)(
        [FaceCrop(crop[0])]
    )
    left = side == 65 and bias < 0 and fidelity is None
    assert restored.worthwhile == (not left)
    assert torch.equal(restored.face, network_input(crop)[0]) == left


def test_faces_that_are_left_do_not_touch_the_photo() -> None:
    pixels = np.full((120, 120, 3), 77, np.uint8)

    @FakeRestorer
    def answers(crops: list[torch.Tensor]) -> list[RestoredFace]:
        return [RestoredFace(torch.ones(3, 128, 128), 0.1, 0.2, worthwhile=index == 1) for index in range(len(crops))]

    faces = [replace(head(30), box_xyxy=(x, 20.0, x + 24, 44.0)) for x in (10.0, 70.0)]
    result = Upscaler(lambda rgb: faces, answers)(pixels, Options(scale=1))
    assert [report.restored for report in result.faces] == [False, True]
    assert "noisy" in result.faces[0].reason
    assert (result.pixels[:, :55] == 77).all()
    assert (result.pixels[32, 82] == 255).all()


def test_a_crop_through_a_smaller_input_is_wholly_the_photos() -> None:
    """Weights for 16x16 drop what a larger crop shows, which is no noise."""
    crop = reduce(portrait(5), 40)
    (restored,) = NetworkRestorer(lambda inputs: inputs, torch.device("cpu"))([FaceCrop(crop[0])])
    assert restored.fidelity == 1
    assert restored.consistency < 1 / 255


def test_weights_get_crops_of_the_sizes_they_know() -> None:
    seen: list[torch.Tensor] = []

    def network(inputs: torch.Tensor) -> torch.Tensor:
        seen.append(inputs)
        return inputs

    crops = [reduce(portrait(6), side) for side in (8, 40, 120)]
    NetworkRestorer(network, torch.device("cpu"), (10, 96))([FaceCrop(crop[0]) for crop in crops])
    expected = [resize(reduce(crops[0], 10), 128), resize(crops[1], 128), resize(reduce(crops[2], 96), 128)]
    torch.testing.assert_close(torch.cat(seen), torch.cat(expected).clamp(0, 1))
