"""A widened network computes what the narrow one did, and its copied channels part when it trains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fakes import folder_of, pictures

from laa_cli.console import Screen
from laa_cli.errors import Exit, LaaError
from laa_cli.train.run import TrainRequest, start
from laa_cli.train.schedule import TrainConfig
from models.checkpoint import ModelCard, load, save_bytes
from models.laa.config import LAAConfig
from models.laa.network import LAATransformer
from models.laa.widen import widen

TINY = LAAConfig(base_channels=2, blocks=1, mlp_ratio=2)


def trained_looking(config: LAAConfig) -> LAATransformer:
    """A network all of whose parameters matter: a fresh one ends in zeros."""
    torch.manual_seed(0)
    network = LAATransformer(config).double()
    for parameter in network.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return network


@pytest.mark.parametrize("copies", [1, 2, 3])
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"base_channels": 4, "blocks": 2},
        {"attention": "csa"},
        {"integration": "first"},
        {"integration": "second"},
        {"integration": "dwconv"},
        {"integration": "position"},
        {"fusion": "wfm_unsplit"},
        {"fusion": "concat"},
    ],
)
def test_a_widened_network_computes_the_same(values: dict[str, object], copies: int) -> None:
    narrow = trained_looking(replace(TINY, **values))  # type: ignore[arg-type]
    wide = widen(narrow, copies * narrow.config.base_channels)
    assert wide.config == replace(narrow.config, base_channels=copies * narrow.config.base_channels)
    face = torch.rand(2, 3, 128, 128, dtype=torch.float64)
    with torch.no_grad():
        expected, found = narrow(face), wide.double()(face)
    assert (expected - face).abs().mean() > 0.01
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)  # it is made in float32


def test_the_copies_of_a_channel_part_in_training() -> None:
    wide = widen(trained_looking(TINY), 4).float()
    mlp = wide.extract[0][0].mlp  # type: ignore[index, union-attr]
    assert torch.equal(mlp[0].bias[0::2], mlp[0].bias[1::2])
    optimizer = torch.optim.SGD(wide.parameters(), 0.1)
    wide(torch.rand(1, 3, 128, 128)).square().mean().backward()
    optimizer.step()
    assert (mlp[0].bias[0::2] != mlp[0].bias[1::2]).all()


def test_widening_is_repeatable() -> None:
    narrow = trained_looking(TINY)
    one, other = (widen(narrow, 4).state_dict() for _ in range(2))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_only_multiples_of_the_width_are_reached() -> None:
    with pytest.raises(ValueError, match="4 base channels can be widened to a multiple of that, not to 6"):
        widen(LAATransformer(replace(TINY, base_channels=4)), 6)


def test_training_starts_from_widened_weights_and_says_so(tmp_path: Path) -> None:
    known = LAATransformer(TINY)
    weights = tmp_path / "known.safetensors"
    weights.write_bytes(save_bytes(known, ModelCard(TINY, "known", {"faces": 50, "minutes": 2.5, "seed": 3})))
    faces, held_out = folder_of(pictures(4, 144), tmp_path / "faces"), folder_of(pictures(3, 128), tmp_path / "held-out")
    run = TrainRequest(data=[faces], validation=held_out, folder=tmp_path / "run", init_from=weights, width=4, device="cpu")
    network, card = load(start(run, TINY, TrainConfig(faces=2, batch_size=2, learning_rate=1e-9), Screen(quiet=True)))
    assert card.config == replace(TINY, base_channels=4)
    assert card.training["init_from"] == {"name": "known", "base_channels": 2, "faces": 50, "minutes": 2.5}
    moved, expected = network.state_dict(), widen(known, 4).state_dict()
    for name, value in expected.items():
        torch.testing.assert_close(moved[name], value, atol=1e-3, rtol=2e-3)  # kept as float16
    with pytest.raises(LaaError, match="2 base channels can be widened to a multiple of that, not to 3") as refused:
        start(replace(run, folder=tmp_path / "other", width=3), TINY, TrainConfig(faces=2), Screen(quiet=True))
    assert refused.value.code == Exit.USAGE
