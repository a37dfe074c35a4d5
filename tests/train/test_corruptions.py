"""The arithmetic of photos' corruptions against the libraries that make them."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from fakes import detailed_picture
from PIL import Image, ImageFilter

from laa_cli.train.corruptions import KERNELS, gaussian_blur, jpeg, resample


def as_image(rgb: torch.Tensor) -> Image.Image:
    return Image.fromarray(rgb.mul(255).round().byte().permute(1, 2, 0).numpy())


def as_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div(255)


@pytest.mark.parametrize("quality", [40, 50, 75, 95])
@pytest.mark.parametrize("size", [17, 48, 128])
def test_jpeg_is_pillows(quality: int, size: int) -> None:
    """Within libjpeg's integer rounding, which now and then moves a coefficient by a step; far less than the coding does."""
    ours, coding = [], []
    for seed in range(8):
        rgb = detailed_picture(size, seed)
        file = io.BytesIO()
        as_image(rgb).save(file, "JPEG", quality=quality, subsampling="4:2:0")
        decoded = as_tensor(Image.open(file))
        ours.append((jpeg(rgb, quality) - decoded).abs().mean().item())
        coding.append((rgb - decoded).abs().mean().item())
    assert np.mean(ours) < 1.5 / 255
    assert np.mean(ours) < 0.3 * np.mean(coding)


@pytest.mark.parametrize(
    ("kernel", "filter_"),
    [
        ("bicubic", Image.Resampling.BICUBIC),
        ("lanczos", Image.Resampling.LANCZOS),
        ("bilinear", Image.Resampling.BILINEAR),
        ("box", Image.Resampling.BOX),
    ],
)
@pytest.mark.parametrize("side", [16, 37, 96])
def test_kernels_are_pillows(kernel: str, filter_: Image.Resampling, side: int) -> None:
    rgb = detailed_picture(128)
    expected = as_tensor(as_image(rgb).resize((side, side), filter_))
    assert (resample(rgb, side, KERNELS[kernel]).clamp(0, 1) - expected).abs().max() < 2.5 / 255


def test_gaussian_blur_is_pillows() -> None:
    rgb = detailed_picture(64)
    expected = as_tensor(as_image(rgb).filter(ImageFilter.GaussianBlur(1.5)))
    inner = np.s_[:, 6:-6, 6:-6]
    assert (gaussian_blur(rgb, 1.5) - expected)[inner].abs().mean() < 1.5 / 255  # Pillow's is made of boxes
