"""The drawing of `laa detect -o`: boxes and numbers that can be told on photos of any size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes import MIDDLE
from hypothesis import given, settings
from hypothesis import strategies as st

from laa_cli.single.drawing import LEAST_DIGIT_PX, YELLOW, digit_height_px, draw_faces, draw_number, place_label


def test_the_photo_itself_is_not_drawn_on() -> None:
    rgb = np.full((200, 300, 3), 90, np.uint8)
    drawn = draw_faces(rgb, [MIDDLE])
    assert (rgb == 90).all()
    assert (drawn != rgb).any()
    assert draw_faces(rgb, []).tolist() == rgb.tolist()


@pytest.mark.parametrize("side", [40, 300, 1000, 6000])
def test_numbers_can_be_read_on_photos_of_any_size(side: int) -> None:
    canvas = np.zeros((side, side, 3), np.uint8)
    small = replace(MIDDLE, box_xyxy=(10.0, 10.0, 22.0, 22.0))
    height = digit_height_px(canvas, small)
    assert height >= max(LEAST_DIGIT_PX, side / 80)
    assert height <= max(LEAST_DIGIT_PX, side / 25)


@settings(max_examples=60)
@given(st.integers(30, 400), st.integers(30, 400), st.floats(-20, 400), st.floats(-20, 400), st.integers(1, 2000))
def test_every_number_lies_inside_the_photo(width: int, height: int, x: float, y: float, number: int) -> None:
    canvas = np.zeros((height, width, 3), np.uint8)
    face = replace(MIDDLE, box_xyxy=(x, y, x + 12, y + 14))
    left, top = place_label(canvas, face, (20, 16))
    assert 0 <= left <= width - 20
    assert 0 <= top <= height - 16
    draw_number(canvas, number, face)
    assert (canvas == YELLOW).all(-1).any()


def test_different_numbers_look_different() -> None:
    pictures = []
    for number in range(1, 12):
        canvas = np.zeros((300, 300, 3), np.uint8)
        draw_number(canvas, number, MIDDLE)
        pictures.append(canvas.tobytes())
    assert len(set(pictures)) == len(pictures)
