"""What photos go through, done to whole pictures of any shape, also grey ones."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import noise_pixels, wave_pixels
from PIL import Image

from laa_cli.bench.degradation import DEGRADATIONS, FACE_FAULTS, Levels, degrade_picture


@pytest.mark.parametrize("fault", DEGRADATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_keeps_its_channels(fault: str, channels: int) -> None:
    truth = noise_pixels(channels, height=60, width=90)
    found = degrade_picture(truth, (20, 30), DEGRADATIONS[fault])
    assert (found.shape, found.dtype) == ((20, 30, channels), np.uint8)
    assert np.array_equal(found, degrade_picture(truth, (20, 30), DEGRADATIONS[fault]))


@pytest.mark.parametrize("fault", sorted({*DEGRADATIONS} - {"clean"}))
def test_every_fault_is_one(fault: str) -> None:
    truth = wave_pixels(160, 200) // 2 + noise_pixels(3, height=160, width=200) // 2
    clean, found = (degrade_picture(truth, (40, 50), DEGRADATIONS[name]).astype(int) for name in ("clean", fault))
    assert np.abs(found - clean).mean() > 0.5


def by_pillow(pixels: Levels, height: int, width: int) -> Levels:
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


def test_enlarged_is_half_the_size_enlarged_bicubically() -> None:
    """Against Pillow, whose arithmetic is in whole numbers."""
    truth = noise_pixels(3, height=120, width=164)
    found = degrade_picture(truth, (30, 41), DEGRADATIONS["enlarged"]).astype(int)
    expected = by_pillow(by_pillow(truth, 15, 20), 30, 41).astype(int)
    assert np.abs(found - expected).max() <= 2
    clean = by_pillow(truth, 30, 41).astype(int)
    assert np.abs(clean - expected).max() > 20


def test_faces_have_the_faults_of_their_published_curves() -> None:
    assert FACE_FAULTS == ("clean", "jpeg75", "jpeg50", "noise5", "mixed")
