"""The protocol's arithmetic against independent implementations."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from skimage.metrics import structural_similarity

from models.protocol import luma, network_input, psnr_db, reduce, resize, ssim, to_8_bits


def faces(count: int = 2) -> torch.Tensor:
    """Pictures with structure at all scales, on 8-bit levels."""
    random = torch.Generator().manual_seed(0)
    layers = [resize(torch.rand(count, 3, size, size, generator=random), 128) for size in (4, 16, 64, 128)]
    return to_8_bits(sum(layers) / len(layers))  # type: ignore[arg-type]


def test_reduction_is_pils_bicubic() -> None:
    hr = faces(1)
    picture = Image.fromarray((hr[0] * 255).round().byte().permute(1, 2, 0).numpy())
    expected = np.asarray(picture.resize((16, 16), Image.Resampling.BICUBIC)).astype(int)
    found = (reduce(hr)[0] * 255).round().permute(1, 2, 0).numpy()
    assert np.abs(found - expected).max() <= 1
    enlarged = np.asarray(Image.fromarray(expected.astype(np.uint8)).resize((128, 128), Image.Resampling.BICUBIC)).astype(int)
    lr = torch.from_numpy(expected).permute(2, 0, 1)[None] / 255
    # Pillow rounds after each of its two passes, the network's input is not rounded at all.
    assert np.abs((network_input(lr.float())[0] * 255).permute(1, 2, 0).numpy() - enlarged).max() <= 1.5


def test_ssim_is_scikit_images() -> None:
    truth = faces()
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
