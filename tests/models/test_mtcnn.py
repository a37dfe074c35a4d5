"""MTCNN's networks against those of facenet-pytorch, whose weights they take."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from models.mtcnn.networks import load_networks

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import facenet_pytorch


def weights() -> Path:
    return Path(facenet_pytorch.__file__).parent / "data"


@pytest.mark.parametrize(("number", "name", "sides"), [(0, "pnet", (12, 37, 120)), (1, "rnet", (24,)), (2, "onet", (48,))])
def test_they_compute_the_same_bits(number: int, name: str, sides: tuple[int, ...]) -> None:
    network: nn.Module = load_networks(weights())[number]
    other: nn.Module = getattr(facenet_pytorch.MTCNN(), name).eval()
    for side in sides:
        x = torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(side)) * 2 - 1
        with torch.inference_mode():
            found, expected = network(x), other(x)
        assert len(found) == len(expected)
        assert all(torch.equal(one, another) for one, another in zip(found, expected, strict=True))
