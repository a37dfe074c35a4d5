"""The authors' checkpoints: made up here under their names, read strictly."""

from __future__ import annotations

import re

import pytest
import torch
from fakes import randomize_parameters
from torch import Tensor

from models.hpinet.authors import is_authors_state, read_authors_state
from models.hpinet.config import sized
from models.hpinet.network import HPINet

# Ours to theirs, the other way round than the code has it.
THEIRS = (
    (r"^head\.", "first_conv."),
    (r"^stages\.(\d+)\.matching\.norm\.", r"cross_match.\1.norm."),
    (r"^stages\.(\d+)\.block\.layers\.(\d+)\.attention_norm\.", r"blocks.\1.layers.\2.0.norm."),
    (r"^stages\.(\d+)\.block\.layers\.(\d+)\.attention\.", r"blocks.\1.layers.\2.0.fn."),
    (r"^stages\.(\d+)\.block\.layers\.(\d+)\.mlp_norm\.", r"blocks.\1.layers.\2.1.norm."),
    (r"^stages\.(\d+)\.block\.layers\.(\d+)\.mlp\.0\.", r"blocks.\1.layers.\2.1.fn.fc1."),
    (r"^stages\.(\d+)\.block\.layers\.(\d+)\.mlp\.2\.", r"blocks.\1.layers.\2.1.fn.fc2."),
    (r"^stages\.(\d+)\.conv\.", r"mid_convs.\1."),
)


def their_state(network: HPINet) -> dict[str, Tensor]:
    state = {}
    four = network.config.scale == 4
    tail = {
        "tail.0.": "upconv1." if four else "upconv.",
        "tail.3.": "upconv2." if four else "last_conv.",
        "tail.6.": "last_conv.",
    }
    for name, tensor in network.state_dict().items():
        for pattern, theirs in THEIRS:
            name = re.sub(pattern, theirs, name)  # noqa: PLW2901
        for ours, theirs in tail.items():
            name = name.replace(ours, theirs)  # noqa: PLW2901
        state[f"module.{name}"] = tensor
    return state


@pytest.mark.parametrize(("size", "scale"), [("S", 2), ("S", 3), ("S", 4), ("L", 4)])
def test_a_checkpoint_of_theirs_gives_the_same_network(size: str, scale: int) -> None:
    network = randomize_parameters(HPINet(sized(size, scale)))
    state = their_state(network)
    assert is_authors_state(state)
    assert len(state) == {("S", 4): 304, ("L", 4): 378}.get((size, scale), 302)
    read = read_authors_state(state)
    assert read.config == sized(size, scale)
    assert not read.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(read.state_dict()[name], tensor), name


def damaged(change: str) -> dict[str, Tensor]:
    state = their_state(randomize_parameters(HPINet(sized("S", 2))))
    name = "module.blocks.3.layers.1.0.fn.to_k.weight"
    match change:
        case "missing":
            del state[name]
        case "unknown":
            state["module.blocks.3.layers.1.0.fn.to_out.weight"] = torch.zeros(3)
        case "shape":
            state[name] = torch.zeros(24, 41)
        case "nan":
            state[name] = torch.full((24, 40), torch.nan)
        case "whole numbers":
            state[name] = torch.zeros(24, 40, dtype=torch.int64)
        case "blocks":
            state = {key: value for key, value in state.items() if not key.startswith("module.blocks.7.")}
        case "no tail":
            del state["module.upconv.weight"]
    return state


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("missing", r"lacks a tensor of HPINet's: stages\.3\.block\.layers\.1\.attention\.to_k\.weight"),
        ("unknown", r"has a tensor that HPINet does not: module\.blocks\.3\.layers\.1\.0\.fn\.to_out\.weight"),
        ("shape", r"has module\.blocks\.3\.layers\.1\.0\.fn\.to_k\.weight in another shape than \(24, 40\)"),
        ("nan", r"has values in module\.blocks\.3\.layers\.1\.0\.fn\.to_k\.weight that are no finite numbers"),
        ("whole numbers", "that are no finite numbers"),
        ("blocks", "is of an HPINet with 7 blocks"),
        ("no tail", "lacks a tensor of HPINet's: 'upconv.weight'"),
    ],
)
def test_what_does_not_fit_is_named(change: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_authors_state(damaged(change))


def test_other_networks_are_told_apart() -> None:
    assert not is_authors_state({"conv_first.weight": torch.zeros(1)})
