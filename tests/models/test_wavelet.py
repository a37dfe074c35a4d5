"""The Haar wavelet transform against the paper's kernels."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from models.laa.wavelet import haar, haar_inverse


def test_haar_is_the_papers_and_inverts() -> None:
    x = torch.randn(2, 3, 8, 6)
    kernels = torch.tensor([[[1, 1], [1, 1]], [[-1, 1], [-1, 1]], [[-1, -1], [1, 1]], [[1, -1], [-1, 1]]]) / 2  # Eq. 14
    bands = haar(x)
    for band, kernel in zip(bands, kernels, strict=True):
        torch.testing.assert_close(band, F.conv2d(x, kernel.expand(3, 1, 2, 2), stride=2, groups=3))
    torch.testing.assert_close(haar_inverse(*bands), x)


def test_gradients_of_both_transforms_are_those_of_their_kernels() -> None:
    assert torch.autograd.gradcheck(haar, torch.randn(1, 2, 4, 6, dtype=torch.float64, requires_grad=True))
    bands = [torch.randn(1, 2, 2, 3, dtype=torch.float64, requires_grad=True) for _ in range(4)]
    assert torch.autograd.gradcheck(haar_inverse, bands)
