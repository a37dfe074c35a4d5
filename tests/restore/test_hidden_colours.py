"""Colours under transparent pixels: from their visible neighbours, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import noise_pixels
from hypothesis import given
from hypothesis import strategies as st

from laa_cli.restore.hidden_colours import fill_hidden_colours


@pytest.mark.parametrize("channels", [1, 3])
def test_without_alpha_nothing_changes(channels: int) -> None:
    pixels = noise_pixels(channels)
    assert fill_hidden_colours(pixels) is pixels


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from([2, 4]),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    seed=st.integers(0, 99),
)
def test_visible_colours_stay_and_hidden_ones_lie_between_them(
    height: int, width: int, channels: int, dtype: type, seed: int
) -> None:
    pixels = noise_pixels(channels, dtype, height, width)
    pixels[..., -1] *= np.random.default_rng(seed).random((height, width)) < 0.2
    filled, visible = fill_hidden_colours(pixels), pixels[..., -1] > 0
    assert filled.dtype == dtype
    assert filled.shape == (height, width, channels - 1)
    assert np.array_equal(filled[visible], pixels[visible][:, :-1])
    if visible.any():
        for channel in range(channels - 1):
            shown = pixels[visible][:, channel]
            assert filled[..., channel].min() >= shown.min()
            assert filled[..., channel].max() <= shown.max()


def test_hidden_colours_are_those_of_the_near_ones() -> None:
    pixels = np.zeros((32, 64, 4), np.uint8)
    pixels[:, :8] = (200, 10, 10, 255)
    pixels[:, -8:] = (10, 10, 200, 255)
    filled = fill_hidden_colours(pixels)
    assert np.array_equal(filled[:, :16], np.broadcast_to([200, 10, 10], (32, 16, 3)))
    assert np.array_equal(filled[:, -16:], np.broadcast_to([10, 10, 200], (32, 16, 3)))


def test_a_photo_that_is_all_hidden_stays() -> None:
    pixels = noise_pixels(4)
    pixels[..., 3] = 0
    assert np.array_equal(fill_hidden_colours(pixels), pixels[..., :3])
