"""Flat indices of regions, and strided convolutions as matrix products against torch's own."""

from __future__ import annotations

import pytest
import torch
from fakes import randomize_parameters
from torch import nn

from models.laa.maps import patchify_conv, pixel_index, unpatchify_conv


def test_pixel_index_walks_through_each_region() -> None:
    pixels = torch.arange(8 * 8).view(8, 8)
    index = pixel_index(torch.tensor([[1, 6]]), grid=4, stride=2, rim=0)
    assert torch.equal(index[0, 0], pixels[0:2, 2:4])
    assert torch.equal(index[0, 1], pixels[2:4, 4:6])


@pytest.mark.parametrize("stride", [1, 4])
def test_convolutions_of_separate_patches_are_products(stride: int) -> None:
    x = torch.randn(2, 8, 12, 6)
    down, up = (
        randomize_parameters(nn.Conv2d(6, 5, stride, stride)),
        randomize_parameters(nn.ConvTranspose2d(6, 5, stride, stride)),
    )
    for fast, layer in ((patchify_conv, down), (unpatchify_conv, up)):
        expected = layer(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        torch.testing.assert_close(fast(layer, x), expected, rtol=1e-4, atol=1e-4)
