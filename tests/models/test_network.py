"""The whole network: the paper's number of parameters, every ablation, and faces that are independent of their batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from fakes import randomize_parameters
from torch import nn

from models.laa.config import LAAConfig
from models.laa.network import LAATransformer, Norm

TINY = LAAConfig(base_channels=2, image_size=64, blocks=1)  # 64 px: the first and last stage have key regions


def test_size() -> None:
    with torch.device("meta"):
        network = LAATransformer(LAAConfig())
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(19.38e6, rel=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"attention": "csa"},
        {"integration": "first"},
        {"integration": "second"},
        {"integration": "dwconv"},
        {"integration": "position"},
        {"fusion": "concat"},
        {"fusion": "wfm_unsplit"},
    ],
)
def test_every_ablation_trains(change: dict[str, str]) -> None:
    network = LAATransformer(replace(TINY, **change))  # type: ignore[arg-type]
    nn.init.normal_(network.tail.weight)
    faces = torch.rand(2, 3, 64, 64)
    network(faces).square().sum().backward()
    without = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert without == []


def test_training_starts_at_the_plain_enlargement() -> None:
    faces = torch.rand(1, 3, 64, 64)
    assert torch.equal(LAATransformer(TINY)(faces), faces)


def test_the_input_shape_is_checked() -> None:
    with pytest.raises(ValueError, match=r"\(n, 3, 64, 64\), not \(1, 3, 32, 32\)"):
        LAATransformer(TINY)(torch.rand(1, 3, 32, 32))


def test_faces_of_a_batch_do_not_touch_each_other() -> None:
    network = randomize_parameters(LAATransformer(TINY)).eval()
    faces = torch.rand(3, 3, 64, 64)
    alone = torch.cat([network(face[None]) for face in faces])
    torch.testing.assert_close(network(faces), alone, rtol=1e-3, atol=1e-3 * alone.abs().max().item())


def test_the_layer_norm_of_a_bfloat16_map_is_that_of_autocast() -> None:
    norm = randomize_parameters(Norm(64))
    x = torch.randn(2, 4, 4, 64, dtype=torch.bfloat16, requires_grad=True)
    seen = torch.randn(2, 4, 4, 64)
    results = []
    for layer in (norm, lambda x: nn.LayerNorm.forward(norm, x)):  # type: ignore[arg-type]
        with torch.autocast("cpu", torch.bfloat16):
            output = layer(x)
        gradients = torch.autograd.grad((output.float() * seen).sum(), (x, norm.weight, norm.bias))
        results.append((output.bfloat16(), *gradients))
    assert results[0][0].dtype == torch.bfloat16
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=2e-2, atol=2e-2)
