"""Tiles: they cover every picture, overlap enough, and go over into each other without a step."""

from __future__ import annotations

from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st

from laa_cli.restore.picture_tiles import Tiling, divide_into_tiles, spans


@given(length=st.integers(1, 3000), side=st.integers(40, 300), overlap=st.integers(8, 32))
def test_spans_cover_a_line(length: int, side: int, overlap: int) -> None:
    found = spans(length, side, overlap)
    assert found[0].start == 0
    assert found[-1].stop == length
    assert {span.stop - span.start for span in found} == {min(side, length)}
    for before, after in pairwise(found):
        assert before.start < after.start <= before.stop - overlap
        assert after.ramp is not None
        assert 0 < after.ramp[0] < after.ramp[1] < before.stop - after.start


@given(length=st.integers(100, 400), scale=st.integers(1, 4))
def test_a_constant_stays_constant_and_a_step_becomes_a_ramp(length: int, scale: int) -> None:
    line = torch.zeros(length * scale)
    for number, span in enumerate(spans(length, 64, 16)):
        place = line[span.start * scale : span.stop * scale]
        place.copy_(torch.lerp(place, torch.full_like(place, float(number % 2)), span.weights(scale)))
    assert line.diff().abs().max() <= 1 / (8 * scale) + 1e-6


def test_small_pictures_are_whole() -> None:
    tiling = Tiling(50, 4000, 10)
    assert [tile.size for tile in divide_into_tiles(40, 100, tiling)] == [(40, 100)]
    assert [tile.size for tile in divide_into_tiles(41, 100, tiling)] == [(41, 50)] * 3
    assert [(tile.rows.start, tile.columns.start) for tile in divide_into_tiles(90, 90, tiling)] == [
        (0, 0), (0, 40), (40, 0), (40, 40),
    ]  # fmt: skip
