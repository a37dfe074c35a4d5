"""Figures of whole pictures against other ways to compute them; what is below bicubic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import noise_pixels, wave_pixels
from PIL import Image
from skimage.metrics import structural_similarity

from laa_cli.bench.background_data import BenchPicture, read_pictures
from laa_cli.bench.background_methods import PictureMethod
from laa_cli.bench.background_quality import PictureRow, compare, measure_fault, picture_columns
from laa_cli.bench.degradation import Levels
from laa_cli.bench.perceptual import MetricColumn, build_lpips, load_lpips
from laa_cli.console import Screen
from models.metrics import psnr_db

QUIET = Screen(quiet=True)
CPU = torch.device("cpu")
BICUBIC = PictureMethod("bicubic", "baseline", 4)


def picture(height: int = 68, width: int = 96, channels: int = 3) -> Levels:
    waves = wave_pixels(height, width)[..., :channels].astype(int)
    return np.clip(waves + noise_pixels(channels, height=height, width=width) // 6, 0, 255).astype(np.uint8)


def saved(pictures: list[Levels], folder: Path) -> list[BenchPicture]:
    folder.mkdir()
    for index, pixels in enumerate(pictures):
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(folder / f"{index}.png")
    return read_pictures(folder, 4, None, QUIET).pictures


def luma_levels(pixels: Levels) -> np.ndarray:
    """The field's Y, as MATLAB's rgb2ycbcr gives it of 8-bit pictures."""
    return np.round(pixels.astype(float) @ [65.481, 128.553, 24.966] / 255 + 16)


@pytest.mark.parametrize("scale", [2, 4])
def test_psnr_and_ssim_are_the_fields(scale: int) -> None:
    truth = picture()
    output = np.clip(truth.astype(int) + np.random.default_rng(1).integers(-9, 10, truth.shape), 0, 255).astype(np.uint8)
    columns = {column.key: column.measure for column in picture_columns(scale)}
    a, b = (luma_levels(pixels)[scale:-scale, scale:-scale] for pixels in (output, truth))
    assert columns["psnr_db"] is not None
    assert columns["ssim"] is not None
    expected = 10 * np.log10(255**2 / np.mean((a - b) ** 2))
    assert compare(columns["psnr_db"], output, truth).item() == pytest.approx(expected, abs=1e-3)
    _, full = structural_similarity(
        a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    assert compare(columns["ssim"], output, truth).item() == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-5)


def test_grey_counts_as_three_equal_channels() -> None:
    truth, output = picture(channels=1), picture(channels=1) // 2
    three = [np.repeat(pixels, 3, axis=2) for pixels in (output, truth)]
    assert compare(psnr_db, output, truth) == compare(psnr_db, three[0], three[1]) == compare(psnr_db, three[0], truth)


def test_lpips_takes_pictures_of_any_size() -> None:
    network = build_lpips()
    state = {"features." + name.split(".", 1)[1]: value for name, value in network.net.state_dict().items()}
    metric = load_lpips(state)
    for height, width in ((48, 48), (61, 90)):
        truth = picture(height, width)
        assert compare(metric, truth, truth).item() == pytest.approx(0, abs=1e-9)
        assert compare(metric, 255 - truth, truth).item() > 1e-3


def test_every_method_sees_the_same_degraded_picture(tmp_path: Path) -> None:
    """The figures are those of each picture, in their order, and the low resolution has the fault."""
    pictures = saved([picture(), picture(64, 60, 1)], tmp_path / "photos")
    seen: list[Levels] = []

    def remember(lr: Levels) -> Levels:
        seen.append(lr)
        return lr.repeat(4, 0).repeat(4, 1)

    columns = [MetricColumn("psnr_db", "PSNR", 2, psnr_db), MetricColumn("lpips", "LPIPS", 4, None)]
    first, second = measure_fault([remember, remember], pictures, "noise5", columns, QUIET)
    assert [lr.shape for lr in seen] == [(17, 24, 3)] * 2 + [(16, 15, 1)] * 2
    assert np.array_equal(seen[0], seen[1])
    assert torch.equal(first["psnr_db"], second["psnr_db"])
    pairs = zip(seen[::2], pictures, strict=True)
    expected = [compare(psnr_db, lr.repeat(4, 0).repeat(4, 1), one.truth()) for lr, one in pairs]
    assert torch.equal(first["psnr_db"], torch.cat(expected))
    assert set(first) == {"psnr_db"}


@pytest.mark.parametrize(("psnr", "lpips", "below"), [
    ((30.0, 32.0), (0.4, 0.2), (False, False)),
    ((30.0, 30.1), (0.4, 0.3), (True, True)),
    ((30.5, 30.5), (0.3, 0.3), (False, False)),
])  # fmt: skip
def test_below_is_below_on_average(psnr: tuple[float, float], lpips: tuple[float, float], below: tuple[bool, bool]) -> None:
    columns = [MetricColumn("psnr_db", "PSNR", 2, None), MetricColumn("lpips", "LPIPS", 4, None, lower_is_better=True)]
    rows = [
        PictureRow(BICUBIC, {"clean": {"psnr_db": torch.tensor(a), "lpips": torch.tensor(b)}})
        for a, b in (((30.0, 31.0), (0.3, 0.3)), (psnr, lpips))
    ]
    assert tuple(rows[1].is_below("clean", column, rows[0]) for column in columns) == below
