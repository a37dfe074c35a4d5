"""Figures of the background on whole photos."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from fakes import CPU
from photo_sets import photo_folder, photo_set
from PIL import Image
from torch import Tensor, nn

from laa_cli.train.corruptions import jpeg
from laa_cli.train.photo_figures import QUICK_PHOTOS, draw_photo_preview, measure_photos
from models.metrics import psnr_db, ssim
from models.protocol import resize


class Enlarging(nn.Module):
    """Bicubic enlargement, brighter by `error`."""

    def __init__(self, error: float) -> None:
        super().__init__()
        self.error = error

    def forward(self, lr: Tensor) -> Tensor:
        return resize(lr, (2 * lr.shape[2], 2 * lr.shape[3])) + self.error


def test_figures_are_those_of_shaved_photos(tmp_path: Path) -> None:
    (photo,) = photo_set(photo_folder(tmp_path / "photos", [(130, 100)])).photos
    level, worse = (measure_photos(Enlarging(error), [photo], CPU, quick=True) for error in (0, 0.1))
    assert (level["gain_db"], level["jpeg75_gain_db"], level["validated_faces"]) == (0, 0, 1)
    truth, lr = (whole.float().div(255)[None] for whole in (photo.hr, photo.lr))
    inner = (..., slice(2, -2), slice(2, -2))
    plain, bright, coded, bright_coded = (
        Enlarging(error)(picture)[inner] for picture in (lr, jpeg(lr[0], 75)[None]) for error in (0, 0.1)
    )
    assert worse["bicubic_psnr_db"] == pytest.approx(psnr_db(plain, truth[inner]).item())
    assert worse["psnr_db"] == pytest.approx(psnr_db(bright, truth[inner]).item())
    assert worse["ssim"] == pytest.approx(ssim(bright, truth[inner]).item())
    assert worse["gain_db"] == pytest.approx(worse["psnr_db"] - worse["bicubic_psnr_db"])
    expected = psnr_db(bright_coded, truth[inner]) - psnr_db(coded, truth[inner])
    assert worse["jpeg75_gain_db"] == pytest.approx(expected.item())


def test_on_the_way_a_few_photos_count_and_at_the_end_all(tmp_path: Path) -> None:
    photos = photo_set(photo_folder(tmp_path / "photos", [(100, 100)] * 2)).photos * 8
    counts = [measure_photos(Enlarging(0), photos, CPU, quick=quick)["validated_faces"] for quick in (True, False)]
    assert counts == [QUICK_PHOTOS, 16]


def test_the_preview_shows_what_the_network_makes(tmp_path: Path) -> None:
    photos = photo_set(photo_folder(tmp_path / "photos", [(100, 100), (130, 110)])).photos
    with Image.open(io.BytesIO(draw_photo_preview(Enlarging(0), photos, CPU))) as sheet:
        assert sheet.size == (2 * 96, 5 * (96 + 16))
        rows = np.asarray(sheet).reshape(5, 112, 192, 3)[:, 16:]
    assert np.array_equal(rows[0], rows[1])
    assert np.array_equal(rows[2], rows[3])
    assert not np.array_equal(rows[0], rows[2])
    assert not np.array_equal(rows[0], rows[4])
