"""The whole of HPINet: fast against plain, independent pictures, any size of picture, gradients everywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fakes import randomize_parameters

from models.checkpoint import ModelCard, load, save_bytes
from models.hpinet.attention import attend, attend_plainly
from models.hpinet.config import HPINetConfig
from models.hpinet.network import HPINet, reflected_indices
from models.protocol import resize

TINY = HPINetConfig(scale=2, dim=8, qk_dim=4, mlp_dim=8, patch_sizes=(6, 8), layers=2)
TAILS = [(scale, tail) for scale in (2, 3, 4) for tail in ("two_step", "one_step")]


def make(config: HPINetConfig = TINY) -> HPINet:
    return randomize_parameters(HPINet(config)).eval()


def test_fused_attention_is_the_formula() -> None:
    q, k, v = torch.rand(3, 36, 4), torch.rand(3, 36, 4), torch.rand(3, 36, 8)
    torch.testing.assert_close(attend(q, k, v), attend_plainly(q, k, v))


@pytest.mark.parametrize(("scale", "tail"), TAILS)
@pytest.mark.parametrize("size", [(1, 1), (1, 30), (5, 7), (13, 33)])
def test_any_picture_is_enlarged(scale: int, tail: str, size: tuple[int, int]) -> None:
    network = make(replace(TINY, scale=scale, tail=tail))  # type: ignore[arg-type]
    with torch.inference_mode():
        output = network(torch.rand(1, 3, *size))
    assert output.shape == (1, 3, scale * size[0], scale * size[1])
    assert bool(output.isfinite().all())


def test_pictures_of_a_batch_do_not_touch_each_other() -> None:
    network, pictures = make(), torch.rand(3, 3, 20, 17)
    with torch.inference_mode():
        alone = torch.cat([network(picture[None]) for picture in pictures])
        torch.testing.assert_close(network(pictures), alone, rtol=1e-3, atol=1e-4 * alone.abs().max().item())


def test_every_parameter_is_trained() -> None:
    network = make().train()
    network(torch.rand(2, 3, 20, 17), torch.tensor([1, 2])).square().sum().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


def test_with_the_tail_of_one_step_training_starts_at_the_plain_enlargement() -> None:
    pictures = torch.rand(1, 3, 12, 9)
    with torch.inference_mode():
        assert torch.equal(HPINet(replace(TINY, tail="one_step")).eval()(pictures), resize(pictures, (24, 18)))


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 8, 8), (1, 3, 0, 8)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"the network takes \(n, 3, h, w\), not"):
        make()(torch.rand(shape))


def test_lines_are_continued_by_reflection() -> None:
    assert reflected_indices(3, 9).tolist() == [0, 1, 2, 1, 0, 1, 2, 1, 0]
    assert reflected_indices(1, 3).tolist() == [0, 0, 0]


def test_a_checkpoint_gives_the_network_back(tmp_path: Path) -> None:
    network = make()
    path = tmp_path / "background.safetensors"
    path.write_bytes(save_bytes(network, ModelCard(TINY, "tiny", crop_px=None, architecture="hpinet")))
    loaded, card = load(path)
    assert card.config == TINY
    assert card.crop_px is None
    expected = {name: tensor.half().float() for name, tensor in network.state_dict().items()}
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.state_dict().items())
