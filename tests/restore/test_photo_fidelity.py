"""The fidelity of a whole photo: the median of squares spread over it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from fakes import noise_pixels, wave_pixels
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from laa_cli.photo.pixels import Pixels
from laa_cli.photo.resample import enlarge
from laa_cli.restore.fidelity import FEATURES, estimate_fidelity
from laa_cli.restore.photo_fidelity import estimate_photo_fidelity, regular_places
from laa_cli.restore.picture_strips import to_rgb
from models.worker_pool import one_thread_workers

COEFFICIENTS = (2.0, *[-0.05] * (FEATURES - 1))


def estimated(canvas: Pixels, photo: Pixels, coefficients: tuple[float, ...] = COEFFICIENTS) -> float:
    with one_thread_workers() as workers:
        return estimate_photo_fidelity(coefficients, canvas, photo, workers)


@given(length=st.integers(1, 5000), side=st.integers(1, 80))
def test_squares_are_spread_over_the_photo(length: int, side: int) -> None:
    side = min(side, length)
    places = regular_places(length, side)
    assert 1 <= len(places) <= 4
    assert places[0] >= 0
    assert places[-1] + side <= length
    assert all(after - before >= side for before, after in pairwise(places))
    assert abs(places[0] - (length - side - places[-1])) <= 1


@pytest.mark.parametrize(("size", "squares", "side"), [((400, 400), 16, 64), ((90, 300), 4, 64), ((30, 200), 4, 30)])
def test_up_to_sixteen_squares_are_looked_at(
    size: tuple[int, int], squares: int, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def look(coefficients: tuple[float, ...], output: Tensor, crop: Tensor) -> float:
        seen.append((tuple(output.shape), tuple(crop.shape)))
        return 0.5

    monkeypatch.setattr("laa_cli.restore.photo_fidelity.estimate_fidelity", look)
    photo = noise_pixels(3, np.uint8, *size)
    assert estimated(enlarge(photo, 2), photo) == 0.5
    assert seen == [((1, 3, 2 * side, 2 * side), (1, 3, side, side))] * squares


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_the_estimate_of_a_square(scale: int, channels: int) -> None:
    photo = np.maximum(noise_pixels(3, np.uint8, 64, 64) // 3, wave_pixels(64, 64))[..., :channels]
    canvas = enlarge(photo, scale) // 2 + 3
    expected = estimate_fidelity(COEFFICIENTS, to_rgb(canvas)[None], to_rgb(photo)[None])
    assert 0.01 < expected < 0.99
    assert estimated(canvas, photo) == pytest.approx(expected)


def test_a_square_is_compared_with_its_own_place() -> None:
    """Where the picture is the photo's enlargement, shifted by one square, all the differences are large."""
    photo = noise_pixels(3, np.uint8, 256, 256)
    canvas = enlarge(photo, 4)
    coefficients = (-3.5, 1.0, *[0.0] * (FEATURES - 2))  # of the difference alone
    found = [estimated(picture, photo, coefficients) for picture in (canvas, np.roll(canvas, 256, 0))]
    assert found[0] < 0.7 * found[1]


def test_noise_in_a_corner_does_not_decide() -> None:
    clean = wave_pixels(400, 400)
    noisy = clean.copy()
    noisy[:150, :150] = noise_pixels(3, np.uint8, 150, 150)
    all_noise = noise_pixels(3, np.uint8, 400, 400)
    found = [estimated(enlarge(photo, 4), photo) for photo in (clean, noisy, all_noise)]
    assert found[1] == pytest.approx(found[0], abs=0.05)
    assert abs(found[2] - found[0]) > 0.2


def test_where_nothing_is_known_it_is_0() -> None:
    photo, narrow = wave_pixels(100, 100), wave_pixels(23, 100)
    assert estimated(enlarge(photo, 4), photo, ()) == 0
    assert estimated(enlarge(narrow, 4), narrow) == 0
