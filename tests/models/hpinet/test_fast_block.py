"""The block for inference: equal to the modules, whatever the size of scores."""

from __future__ import annotations

import pytest
import torch

from models.hpinet.attention import attend
from models.hpinet.config import HPINetConfig
from models.hpinet.fast_block import FastBlock, attend_quickly
from models.hpinet.network import Block


def test_it_gives_what_the_modules_give() -> None:
    torch.manual_seed(0)
    block = Block(HPINetConfig(dim=12, qk_dim=8, mlp_dim=20, layers=3)).eval()
    patches, partners = torch.randn(7, 64, 12), torch.randn(7, 64, 12)
    with torch.inference_mode():
        expected = block(patches, partners)
        torch.testing.assert_close(FastBlock(block)(patches, partners), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [1.0, 1e3, 1e-3])
def test_attention_without_the_maximum(size: float) -> None:
    """Where exponentials overflow or vanish, too."""
    q, k, v = (torch.randn(5, 64, width, generator=torch.Generator().manual_seed(width)) for width in (4, 4, 8))
    q, k = size * q, k - 0.5
    torch.testing.assert_close(attend_quickly(q.clone(), k, v), attend(q, k, v), rtol=1e-4, atol=1e-5)
    low = torch.full((5, 64, 4), -9.0)
    torch.testing.assert_close(attend_quickly(low.clone(), -low, v), v.mean(1, keepdim=True).expand_as(v), rtol=1e-4, atol=1e-5)
