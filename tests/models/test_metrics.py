"""PSNR and SSIM on luma against independent implementations."""

from __future__ import annotations

import numpy as np
import torch
from fakes import textured_faces
from skimage.metrics import structural_similarity

from models.metrics import luma, psnr_db, ssim
from models.protocol import to_8_bits


def test_ssim_is_scikit_images() -> None:
    truth = textured_faces(2)
    output = (truth + 0.05 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    for index in range(2):
        a, b = luma(to_8_bits(output.double()))[index].numpy(), luma(truth.double())[index].numpy()
        _, full = structural_similarity(
            a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
        )
        expected = full[5:-5, 5:-5].mean()
        assert abs(ssim(output, truth)[index].item() - expected) < 1e-6


def test_psnr_by_hand() -> None:
    truth = torch.zeros(1, 3, 8, 8)
    output = truth + 10 / 255
    step = 10 / 255 * (65.481 + 128.553 + 24.966)  # of Y, in its units
    assert abs(psnr_db(output, truth).item() - 10 * np.log10(255**2 / step**2)) < 1e-6


def test_psnr_rounds_the_output_to_8_bits() -> None:
    truth = torch.full((1, 3, 8, 8), 0.5).mul(255).round().div(255)
    assert psnr_db(truth + 0.3 / 255, truth).item() > 90
    assert psnr_db(truth + 0.7 / 255, truth).item() < 60


def test_white_and_black() -> None:
    assert luma(torch.ones(1, 3, 1, 1)).item() == 235
    assert luma(torch.zeros(1, 3, 1, 1)).item() == 16


def test_rounded_luma_is_what_files_of_luma_would_hold() -> None:
    """Against NumPy on whole levels of Y; faces, without rounding, get other figures."""
    truth = textured_faces(2)
    output = (truth + 0.02 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    for index in range(2):
        a, b = (np.round(luma(to_8_bits(image).double())[index].numpy()) for image in (output, truth))
        expected = 10 * np.log10(255**2 / np.mean((a - b) ** 2))
        assert abs(psnr_db(output, truth, rounded_luma=True)[index].item() - expected) < 1e-6
        assert abs(psnr_db(output, truth)[index].item() - expected) > 1e-4
        _, full = structural_similarity(
            a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
        )
        assert abs(ssim(output, truth, rounded_luma=True)[index].item() - full[5:-5, 5:-5].mean()) < 1e-6
