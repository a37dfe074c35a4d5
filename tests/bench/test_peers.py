"""Other projects' networks: what they are given, and what is said of those that cannot be used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from fakes import pictures, save_network, small_swinir
from safetensors.torch import save_file
from spandrel.architectures.RCAN import RCAN
from spandrel.architectures.SwinIR import SwinIR
from torch import nn

from laa_cli.bench.peers import load_peer
from laa_cli.errors import LaaError
from models.protocol import reduce

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("network", "fed_px"),
    [
        (small_swinir(8), 16),
        (small_swinir(2), 64),
        (RCAN(scale=4, n_resgroups=1, n_resblocks=1, n_feats=8, reduction=4), 32),
    ],
    ids=["8x", "2x", "4x"],
)
def test_a_peer_is_fed_by_its_scale(network: nn.Module, fed_px: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, ...]] = []
    forward = type(network).forward
    monkeypatch.setattr(type(network), "forward", lambda self, x: (shapes.append(tuple(x.shape)), forward(self, x))[1])
    method = load_peer(save_network(network, tmp_path / "peer.safetensors"), CPU)
    output = method.restore(reduce(pictures(2, 128) / 255))
    assert output.shape == (2, 3, 128, 128)
    assert shapes == [(1, 3, fed_px, fed_px)] * 3  # one to see that it works
    assert method.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert f"fed {fed_px}x{fed_px}" in method.note
    assert type(network).__name__ in method.name


def test_a_larger_crop_is_not_reduced_before_a_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, ...]] = []
    forward = SwinIR.forward
    monkeypatch.setattr(SwinIR, "forward", lambda self, x: (shapes.append(tuple(x.shape)), forward(self, x))[1])
    method = load_peer(save_network(small_swinir(8), tmp_path / "peer.safetensors"), CPU)
    assert method.restore(reduce(pictures(1, 128) / 255, 24)).shape == (1, 3, 128, 128)
    assert shapes[1:] == [(1, 3, 24, 24)]


def test_a_peer_that_fails_is_named_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("shapes differ\nin many lines")

    path = save_network(small_swinir(8), tmp_path / "peer.safetensors")
    monkeypatch.setattr(SwinIR, "forward", broken)
    with pytest.raises(LaaError, match=r"the peer .*peer.safetensors fails on a face of 16x16: shapes differ$"):
        load_peer(path, CPU)


def test_an_unusable_peer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in (("broken.pth", b"PK broken"), ("broken.safetensors", b"nothing"), ("notes.txt", b"text")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(LaaError, match=rf"cannot use the peer .*{name}: the file is \S"):
            load_peer(tmp_path / name, CPU)
    with pytest.raises(LaaError, match=r"cannot use the peer .*gone.pth: .*No such file"):
        load_peer(tmp_path / "gone.pth", CPU)
    save_file({"strange": torch.zeros(1)}, tmp_path / "strange.safetensors")
    with pytest.raises(LaaError, match=r"cannot use the peer .*strange.safetensors"):
        load_peer(tmp_path / "strange.safetensors", CPU)
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(LaaError, match=r"pip install 'laa\[bench\]'"):
        load_peer(tmp_path / "strange.safetensors", CPU)
