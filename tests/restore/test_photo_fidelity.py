"""The fidelity of a whole photo: the median of squares spread over it, each with the rim that its network needs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from fakes import noise_pixels, wave_pixels
from hypothesis import given
from hypothesis import strategies as st
from pictures import FakePicture, run_steps

from laa_cli.photo.pixels import Pixels
from laa_cli.restore.fidelity import FEATURES, estimate_fidelity
from laa_cli.restore.photo_fidelity import estimate_photo_fidelity, regular_places
from laa_cli.restore.picture_strips import to_rgb
from models.protocol import resize
from models.worker_pool import one_thread_workers

COEFFICIENTS = (2.0, *[-0.05] * (FEATURES - 1))


def estimated(network: FakePicture, pixels: Pixels) -> float:
    with one_thread_workers() as workers:
        return run_steps(estimate_photo_fidelity(network, pixels, workers))


@given(length=st.integers(1, 5000), side=st.integers(1, 80))
def test_squares_are_spread_over_the_photo(length: int, side: int) -> None:
    side = min(side, length)
    places = regular_places(length, side)
    assert 1 <= len(places) <= 4
    assert places[0] >= 0
    assert places[-1] + side <= length
    assert all(after - before >= side for before, after in pairwise(places))
    assert abs(places[0] - (length - side - places[-1])) <= 1


@pytest.mark.parametrize(("size", "squares", "side"), [((400, 400), 16, 80), ((90, 300), 3, 80), ((30, 200), 4, 30)])
def test_up_to_sixteen_squares_are_looked_at(size: tuple[int, int], squares: int, side: int) -> None:
    network = FakePicture(coefficients=COEFFICIENTS)
    estimated(network, noise_pixels(3, np.uint8, *size))
    assert network.seen == [(3, side, side)] * squares


def test_it_is_the_estimate_of_a_square_without_its_rim() -> None:
    pixels = np.maximum(noise_pixels(3, np.uint8, 80, 80) // 3, wave_pixels(80, 80))
    network = FakePicture(2, coefficients=COEFFICIENTS, detail=0.01)
    square = to_rgb(pixels)[None]
    output = resize(square, 160) + 0.01
    expected = estimate_fidelity(COEFFICIENTS, output[..., 16:144, 16:144], square[..., 8:72, 8:72])
    assert 0.01 < expected < 0.99
    assert estimated(network, pixels) == pytest.approx(expected)


def test_noise_in_a_corner_does_not_decide() -> None:
    clean = wave_pixels(400, 400)
    noisy = clean.copy()
    noisy[:150, :150] = noise_pixels(3, np.uint8, 150, 150)
    all_noise = noise_pixels(3, np.uint8, 400, 400)
    network = FakePicture(coefficients=COEFFICIENTS)
    found = [estimated(network, pixels) for pixels in (clean, noisy, all_noise)]
    assert found[1] == pytest.approx(found[0], abs=0.05)
    assert abs(found[2] - found[0]) > 0.2


def test_where_nothing_is_known_it_is_0() -> None:
    assert estimated(FakePicture(), wave_pixels(100, 100)) == 0
    assert estimated(FakePicture(coefficients=COEFFICIENTS), wave_pixels(23, 100)) == 0
