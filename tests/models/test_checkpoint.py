"""Weights files: everything comes back, and nothing unfit is ever used."""

from __future__ import annotations

import json
import pickle
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from models.checkpoint import (
    DEFAULT_WEIGHTS,
    FORMAT,
    KEY,
    PROTOCOL_WEIGHTS,
    CheckpointError,
    ModelCard,
    check_hash,
    load,
    save_bytes,
)
from models.laa.config import LAAConfig
from models.laa.network import LAATransformer

TINY = LAAConfig(base_channels=2, image_size=32, blocks=1)


@pytest.fixture
def network() -> LAATransformer:
    torch.manual_seed(0)
    network = LAATransformer(TINY)
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    return network.half().float().eval()  # the file holds float16


@pytest.fixture
def good(tmp_path: Path, network: LAATransformer) -> Path:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(save_bytes(network, ModelCard(TINY, "tiny", {"faces": 7}, {"gain_db": 1.5}, (10, 96), (0.5, -1.0))))
    return path


def rewritten(path: Path, network: LAATransformer, **changes: object) -> Path:
    """A checkpoint whose description differs."""
    card = json.loads(ModelCard(TINY).to_json()) | changes
    path.write_bytes(save(network.state_dict(), metadata={KEY: json.dumps(card)}))
    return path


def test_round_trip(good: Path, network: LAATransformer) -> None:
    again, card = load(good)
    assert card == ModelCard(TINY, "tiny", {"faces": 7}, {"gain_db": 1.5}, (10, 96), (0.5, -1.0))
    faces = torch.rand(2, 3, 32, 32)
    assert torch.equal(again(faces), network(faces))
    assert not again.training


def test_every_truncation_and_bit_flip_in_the_head_is_an_error_of_ours_or_harmless(good: Path) -> None:
    content = good.read_bytes()
    for length in (0, 1, 7, 8, 100, len(content) // 2, len(content) - 1):
        good.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match="get the file again"):
            load(good)
    for place in range(0, 3000, 13):
        damaged = bytearray(content)
        damaged[place] ^= 0x21
        good.write_bytes(damaged)
        with suppress(CheckpointError):
            load(good)


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(tmp_path / "executed"),)

    for name, content in (("raw.pt", pickle.dumps(Bomb(), protocol=2)), ("zip.pt", b"PK\x03\x04" + bytes(100))):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="pickle"):
            load(path)
    assert not (tmp_path / "executed").exists()


def test_foreign_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(save({"x": torch.zeros(1)}))
    with pytest.raises(CheckpointError, match="not a checkpoint of laa"):
        load(path)


def test_newer_format_and_other_protocol(tmp_path: Path, network: LAATransformer) -> None:
    with pytest.raises(CheckpointError, match="upgrade laa"):
        load(rewritten(tmp_path / "new.safetensors", network, format=FORMAT + 1))
    with pytest.raises(CheckpointError, match="another protocol"):
        load(rewritten(tmp_path / "other.safetensors", network, protocol={"lr_size": 32}))
    with pytest.raises(CheckpointError, match="unusable description"):
        load(rewritten(tmp_path / "odd.safetensors", network, config={"layers": 3}))


def test_the_first_mismatch_is_named(tmp_path: Path, network: LAATransformer) -> None:
    wide = {"base_channels": 4} | {"image_size": 32, "blocks": 1}
    with pytest.raises(CheckpointError, match=r"head.weight as \(2, 3, 3, 3\), the network needs \(4, 3, 3, 3\)"):
        load(rewritten(tmp_path / "wide.safetensors", network, config=wide))
    tensors = network.state_dict()
    path = tmp_path / "changed.safetensors"
    for changed, message in (
        ({name: value for name, value in tensors.items() if name != "tail.bias"}, "lacks the tensor tail.bias"),
        (tensors | {"extra": torch.zeros(1)}, "does not: extra"),
        (tensors | {"head.bias": torch.tensor([float("nan"), 0.0])}, "head.bias that are not finite"),
    ):
        path.write_bytes(save(changed, metadata={KEY: ModelCard(TINY).to_json()}))
        with pytest.raises(CheckpointError, match=message):
            load(path)


def test_damaged_copy_of_a_hashed_file(good: Path) -> None:
    import hashlib

    good.with_name("SHA256SUMS").write_text(f"{hashlib.sha256(good.read_bytes()).hexdigest()}  {good.name}\n")
    load(good, verify=True)
    content = bytearray(good.read_bytes())
    content[-1] ^= 1
    good.write_bytes(content)
    with pytest.raises(CheckpointError, match="is damaged"):
        load(good, verify=True)


@pytest.mark.parametrize(("path", "crop_px"), [(PROTOCOL_WEIGHTS, (16, 16)), (DEFAULT_WEIGHTS, (10, 96))])
def test_the_shipped_files_are_whole(path: Path, crop_px: tuple[int, int]) -> None:
    check_hash(path)
    assert load(path)[1].crop_px == crop_px
