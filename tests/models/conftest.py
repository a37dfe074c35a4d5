"""Fixtures of the tests of checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fakes import TINY_CARD

from models.checkpoint import save_bytes
from models.laa.network import LAATransformer


@pytest.fixture
def network() -> LAATransformer:
    torch.manual_seed(0)
    network = LAATransformer(TINY_CARD.config)
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    return network.half().float().eval()  # the file holds float16


@pytest.fixture
def good(tmp_path: Path, network: LAATransformer) -> Path:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(save_bytes(network, TINY_CARD))
    return path
