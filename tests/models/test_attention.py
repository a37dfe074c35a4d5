"""Region Selection Attention against the paper's equations drawn out with loops."""

from __future__ import annotations

import torch
from fakes import randomize_parameters, slow_fim

from models.laa.attention import RSA, SelfAttention
from models.laa.config import LAAConfig


def test_both_attentions_agree() -> None:
    attention = randomize_parameters(SelfAttention(8, heads=2))
    x = torch.randn(2, 10, 8)
    output, received = attention.forward_with_received(x)
    with torch.no_grad():
        fused = attention(x)  # where gradients are wanted the CPU takes the steps one by one
    torch.testing.assert_close(fused, output, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(attention(x), fused, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(received.sum(1), torch.full((2,), 20.0))  # every query of every head hands out 1


def test_rsa_refines_the_regions_that_receive_most_attention() -> None:
    """Eq. 9-12 drawn out with loops."""
    config = LAAConfig(base_channels=4, image_size=64, blocks=1)
    rsa = randomize_parameters(RSA(config, config.extraction[0]))
    x = torch.randn(2, 64, 64, 4)
    n_c, k = 16, 16
    maps = x.permute(0, 3, 1, 2)
    coarse = slow_fim(rsa.integration, rsa.down(maps))
    fine = slow_fim(rsa.integration, maps)
    output = maps.clone()
    for image in range(2):
        tokens = coarse[image : image + 1].flatten(2).transpose(1, 2)
        attended, received = rsa.coarse.forward_with_received(tokens)
        places = received[0].argsort(descending=True)[:k].tolist()
        squares = [(slice(p // n_c * 4, p // n_c * 4 + 4), slice(p % n_c * 4, p % n_c * 4 + 4)) for p in places]
        pixels = torch.cat([fine[image][:, rows, columns].flatten(1) for rows, columns in squares], 1)
        details = rsa.fine(pixels.T[None])[0].T
        for number, (rows, columns) in enumerate(squares):
            output[image, :, rows, columns] += details[:, number * 16 : number * 16 + 16].view(4, 4, 4)
        output[image] += rsa.up(attended.transpose(1, 2).view(1, 4, n_c, n_c))[0]
    expected = rsa.depthwise(output).permute(0, 2, 3, 1)
    torch.testing.assert_close(rsa(x), expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())
