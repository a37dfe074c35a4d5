"""Back-projection of whole photos: what strips give, the whole would; the coarse part always, the fine by fidelity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fakes import noise_pixels, wave_pixels

from laa_cli.photo.pixels import Pixels
from laa_cli.photo.resample import enlarge
from laa_cli.restore import picture_strips
from laa_cli.restore.back_projection import RELAXATION, split_photo_correction
from laa_cli.restore.photo_back_projection import hold_to_photo
from laa_cli.restore.picture_strips import to_planes
from models.protocol import resize
from models.worker_pool import one_thread_workers


def held(canvas: Pixels, photo: Pixels, fidelity: float) -> Pixels:
    corrected = canvas.copy()
    with one_thread_workers() as workers:
        shares = list(hold_to_photo(corrected, photo, fidelity, workers))
    assert shares == sorted(shares)
    return corrected


def held_plainly(canvas: Pixels, photo: Pixels, fidelity: float) -> torch.Tensor:
    """The same by its formula, (c, h, w) in [0, 1]."""
    size, large = photo.shape[:2], canvas.shape[:2]
    difference = to_planes(photo) - resize(to_planes(canvas), size)
    coarse = resize(resize(difference, (max(4, size[0] // 4), max(4, size[1] // 4))), size)
    correction = coarse + RELAXATION * fidelity * (difference - coarse)
    return (to_planes(canvas) + resize(correction, large)).clamp(0, 1)[0]


def blurred(photo: Pixels, scale: int) -> Pixels:
    """An enlargement that lacks the photo's detail, and is darker."""
    return (enlarge(photo[::2, ::2], 2 * scale)[: len(photo) * scale, : photo.shape[1] * scale] * 0.8).astype(photo.dtype)


@pytest.mark.parametrize("size", [(1, 30), (30, 1), (9, 40), (61, 34)], ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_strips_give_what_the_whole_gives(
    size: tuple[int, int], dtype: type, scale: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_strips, "STRIP_PX", 1)
    photo = noise_pixels(3, dtype, *size)
    canvas = noise_pixels(3, dtype, size[0] * scale, size[1] * scale)
    levels = to_planes(held(canvas, photo, 0.6))[0] - held_plainly(canvas, photo, 0.6)
    assert levels.abs().max() * np.iinfo(dtype).max <= 0.51


@pytest.mark.parametrize("size", [(9, 40), (61, 34)], ids=str)
def test_what_is_calibrated_is_what_is_applied(size: tuple[int, int]) -> None:
    photo, canvas = noise_pixels(3, np.uint8, *size), noise_pixels(3, np.uint8, size[0] * 4, size[1] * 4)
    coarse, fine = split_photo_correction(to_planes(canvas), to_planes(photo))
    torch.testing.assert_close((coarse + 0.6 * fine).clamp(0, 1)[0], held_plainly(canvas, photo, 0.6))


def rms_to(photo: Pixels, canvas: Pixels) -> float:
    return float((resize(to_planes(canvas), photo.shape[:2]) - to_planes(photo)).square().mean().sqrt() * 255)


def test_the_finer_the_held_part_the_closer_to_the_photo() -> None:
    photo = np.maximum(wave_pixels(60, 80), noise_pixels(3, np.uint8, 60, 80) // 2)
    canvas = blurred(photo, 4)
    left = [rms_to(photo, found) for found in (canvas, *(held(canvas, photo, fidelity) for fidelity in (0, 0.5, 1)))]
    assert left == sorted(left, reverse=True)
    assert left[3] < 0.35 * left[1]


def test_colours_are_always_the_photos() -> None:
    photo = wave_pixels(60, 80)
    canvas = (enlarge(photo, 4) * 0.8).astype(np.uint8)
    assert rms_to(photo, canvas) > 20
    assert rms_to(photo, held(canvas, photo, 0)) < 1


def test_a_plain_enlargement_is_hardly_changed() -> None:
    photo = wave_pixels(40, 50)
    canvas = enlarge(photo, 4)
    assert np.abs(held(canvas, photo, 1).astype(int) - canvas).max() <= 2
