"""Filtering detections: plausible boxes and landmarks, and non-maximum suppression."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laa_cli.detect.filtering import (
    has_valid_aspect,
    is_nested,
    is_plausible,
    landmarks_inside,
    landmarks_ordered,
    non_max_suppression,
    overlap_ratios,
)

UPRIGHT = ((30.0, 40.0), (70.0, 40.0), (50.0, 60.0), (35.0, 78.0), (65.0, 78.0))  # landmarks in BOX


BOX = (0.0, 0.0, 100.0, 110.0)


def turned(points: tuple[tuple[float, float], ...], degrees: float) -> list[tuple[float, float]]:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [(50 + (x - 50) * cos - (y - 55) * sin, 55 + (x - 50) * sin + (y - 55) * cos) for x, y in points]


@given(st.floats(-55, 55))
def test_rolled_heads_are_plausible(degrees: float) -> None:
    assert is_plausible(BOX, turned(UPRIGHT, degrees))


@given(st.floats(70, 290))
def test_heads_on_their_side_are_not(degrees: float) -> None:
    assert not landmarks_ordered(BOX, turned(UPRIGHT, degrees))


@given(st.floats(0.3, 1), st.floats(-1, 1))
def test_turned_heads_are_plausible(narrow: float, aside: float) -> None:
    """Towards a profile the points draw together across the face, and the nose leaves their middle."""
    points = [(50 + (x - 50) * narrow + aside * 25, y) for x, y in UPRIGHT]
    points[2] = (points[2][0] + aside * 15, points[2][1])
    assert is_plausible(BOX, points)


@given(st.floats(-1000, 1000), st.floats(-1000, 1000), st.floats(0.1, 50))
def test_plausibility_knows_no_place_and_size(x: float, y: float, scale: float) -> None:
    box = (x, y, x + 100 * scale, y + 110 * scale)
    assert is_plausible(box, [(x + px * scale, y + py * scale) for px, py in UPRIGHT])
    assert not is_plausible(box, [(x + px * scale, y - py * scale) for px, py in UPRIGHT])


@pytest.mark.parametrize(
    ("index", "point"),
    [
        (2, (50.0, 30.0)),  # nose above the eyes
        (2, (50.0, 90.0)),  # nose below the mouth
        (0, (72.0, 40.0)),  # eyes swapped
        (1, (32.0, 40.0)),  # both eyes in one place
        (0, (-20.0, 40.0)),  # outside
        (1, (105.0, 40.0)),  # eyes too far apart, though inside
    ],
)
def test_implausible_landmarks(index: int, point: tuple[float, float]) -> None:
    points = list(UPRIGHT)
    points[index] = point
    assert not is_plausible(BOX, points)


def test_points_in_one_place_are_no_face() -> None:
    assert not landmarks_ordered(BOX, [(50.0, 50.0)] * 5)


@pytest.mark.parametrize("box", [(0, 0, 0, 10), (0, 0, 10, 0), (10, 10, 0, 0), (0, 0, 10, 21), (0, 0, 21, 10)])
def test_unsound_boxes(box: tuple[float, float, float, float]) -> None:
    assert not has_valid_aspect(box)
    assert not is_plausible(box, [(0.0, 0.0)] * 5)


def test_points_may_be_a_little_outside() -> None:
    assert landmarks_inside(BOX, [(-10.0, 50.0), (110.0, 120.0)])
    assert not landmarks_inside(BOX, [(-12.0, 50.0)])


boxes = st.builds(
    lambda x, y, w, h: (x, y, x + w, y + h), st.floats(0, 50), st.floats(0, 50), st.floats(1, 60), st.floats(1, 60)
)


@given(boxes, boxes)
def test_overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> None:
    iou, share = overlap_ratios(one, other)
    assert (iou, share) == overlap_ratios(other, one)
    assert 0 <= iou <= share + 1e-9 <= 1 + 2e-9
    assert overlap_ratios(one, one) == pytest.approx((1, 1))


@given(st.lists(st.tuples(boxes, st.floats(0, 1)), max_size=12), st.randoms())
def test_distinct(found: list[tuple[tuple[float, float, float, float], float]], random: object) -> None:
    """What is kept overlaps little, has nothing nested, and does not depend on the order given."""
    kept = non_max_suppression([box for box, _ in found], [confidence for _, confidence in found])
    chosen = [found[index] for index in kept]
    assert [c for _, c in chosen] == sorted((c for _, c in chosen), reverse=True)
    for place, (box, _) in enumerate(chosen):
        for other, _ in chosen[place + 1 :]:
            assert overlap_ratios(box, other)[0] <= 0.4
            assert not is_nested(box, other)
            assert not is_nested(other, box)
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = non_max_suppression([box for box, _ in shuffled], [confidence for _, confidence in shuffled])
    assert [shuffled[index] for index in again] == chosen
    assert bool(found) == bool(kept)


def test_of_duplicates_the_surer_stays() -> None:
    assert non_max_suppression([(0, 0, 100, 100), (5, 5, 105, 105)], [0.96, 0.99]) == [1]


def test_nested_boxes_go_even_when_surer() -> None:
    assert non_max_suppression([(0, 0, 100, 100), (20, 20, 50, 50)], [0.96, 0.99]) == [0]


def test_neighbours_stay() -> None:
    assert non_max_suppression([(0, 0, 100, 100), (80, 0, 180, 100), (90, 90, 120, 120)], [0.96, 0.99, 0.95]) == [1, 0, 2]
