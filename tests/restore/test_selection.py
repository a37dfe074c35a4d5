"""Which faces are restored, and which are left."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from fakes import FakeRestorer

from laa_cli.detect.face import Face, estimate_roll_deg, yaw_ratio
from laa_cli.interfaces import RestoredFace
from laa_cli.options import Options
from laa_cli.restore.selection import MAX_UNALIGNED_ROLL_DEG, MAX_YAW_RATIO, assess
from laa_cli.upscale import Upscaler

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
    assert report.roll_deg == pytest.approx(roll_deg if abs(roll_deg) > MAX_UNALIGNED_ROLL_DEG else 0)
    assert ("upright" in report.reason) == (abs(roll_deg) > MAX_UNALIGNED_ROLL_DEG)
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
    assert report.reason == "over --max-face 50"


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
