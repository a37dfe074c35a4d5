"""Checkpoints: everything comes back, nothing unfit is ever used, and an architecture is one entry of a table."""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from fakes import TINY_CARD
from safetensors.torch import save

from laa_cli.errors import LaaError
from laa_cli.restore.restorer import read_weights
from models.checkpoint import (
    ARCHITECTURES,
    DEFAULT_WEIGHTS,
    FORMAT_VERSION,
    METADATA_KEY,
    PROTOCOL_WEIGHTS,
    Architecture,
    CheckpointError,
    ModelCard,
    check_hash,
    load,
    save_bytes,
)
from models.laa.network import LAATransformer
from models.tensor_file import read_tensor_file, serialize

TINY = TINY_CARD.config
TINY_JSON = (
    '{"format": 1, "name": "tiny", "config": {"base_channels": 2, "image_size": 32, "blocks": 1, "attention": "rsa", '
    '"integration": "both", "fusion": "wfm", "mlp_ratio": 4, "reduction": 4, "leaky_slope": 0.2}, '
    '"protocol": {"lr_size": 16, "hr_size": 128, "crop_margin": 1.25, "kernel": "bicubic, a=-0.5, antialiased"}, '
    '"crop_px": [10, 96], "gauge": [0.5, -1.0], "training": {"faces": 7}, "validation": {"gain_db": 1.5}}'
)  # as laa wrote it when there was one architecture


def rewritten(path: Path, network: LAATransformer, **changes: object) -> Path:
    """A checkpoint whose description differs."""
    card = json.loads(ModelCard(TINY).to_json()) | changes
    path.write_bytes(save(network.state_dict(), metadata={METADATA_KEY: json.dumps(card)}))
    return path


def test_round_trip(good: Path, network: LAATransformer) -> None:
    again, card = load(good)
    assert card == TINY_CARD
    faces = torch.rand(2, 3, 32, 32)
    assert torch.equal(again(faces), network(faces))
    assert not again.training


def test_a_card_keeps_its_bytes() -> None:
    assert TINY_CARD.to_json() == TINY_JSON
    assert ModelCard.from_json(TINY_JSON) == TINY_CARD


def test_error_bars_are_a_key_that_older_cards_have_not() -> None:
    card = replace(TINY_CARD, doubt_coefficients=(1.5, -2.0))
    text = card.to_json()
    assert json.loads(text) == json.loads(TINY_JSON) | {"doubt": [1.5, -2.0]}
    assert ModelCard.from_json(text) == card
    for wrong in ('[1, "2"]', "3", "[NaN]", "[1e999]", "[true]"):
        with pytest.raises(CheckpointError):
            ModelCard.from_json(text.replace("[1.5, -2.0]", wrong))


@pytest.mark.parametrize("path", [PROTOCOL_WEIGHTS, DEFAULT_WEIGHTS])
def test_the_shipped_files_keep_their_bytes(path: Path, tmp_path: Path) -> None:
    """But for the digest in the file, which older ones lack and none needs: SHA256SUMS has one of each."""
    (tmp_path / "again").write_bytes(content := save_bytes(*load(path)))
    again = read_tensor_file(tmp_path / "again")
    assert again.verified
    assert path.read_bytes() in (content, save(again.tensors, again.metadata))


def test_every_truncation_is_an_error_of_ours(good: Path) -> None:
    content = good.read_bytes()
    for length in (0, 1, 7, 8, 100, len(content) // 2, len(content) - 1):
        good.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match="get the file again"):
            load(good)


def test_a_file_of_an_older_laa_loads_and_is_told_apart(good: Path, network: LAATransformer) -> None:
    assert load(good)[1].verified
    good.write_bytes(save(network.half().state_dict(), metadata={METADATA_KEY: TINY_JSON}))
    assert load(good)[1] == TINY_CARD
    assert not load(good)[1].verified
    said: list[str] = []
    card = ModelCard(replace(TINY, image_size=128))
    older = LAATransformer(card.config).half().state_dict()
    good.write_bytes(save(older, metadata={METADATA_KEY: card.to_json()}))
    read_weights(good, said.append)
    assert said == [f"the weights {good} are of an older laa and have no SHA-256 to check them by"]
    good.write_bytes(serialize(older, {METADATA_KEY: card.to_json()}))
    for path in (good, DEFAULT_WEIGHTS, PROTOCOL_WEIGHTS):
        read_weights(path, said.append)
    assert len(said) == 1


def test_a_huge_network_in_a_small_file_is_refused_before_it_is_built(good: Path, network: LAATransformer) -> None:
    for setting, value in (("base_channels", 2**20), ("blocks", 10**9), ("mlp_ratio", 10**6), ("image_size", 2**20)):
        config = json.loads(TINY_JSON)["config"] | {setting: value}
        with pytest.raises(CheckpointError, match=rf"{setting} must be a positive whole number up to \d+, not {value}"):
            load(rewritten(good, network, config=config))
    with pytest.raises(CheckpointError, match=r"has head\.weight as"):
        load(rewritten(good, network, config=json.loads(TINY_JSON)["config"] | {"base_channels": 512, "blocks": 8}))


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
        load(rewritten(tmp_path / "new.safetensors", network, format=FORMAT_VERSION + 1))
    with pytest.raises(CheckpointError, match="another protocol"):
        load(rewritten(tmp_path / "other.safetensors", network, protocol={"lr_size": 32}))
    with pytest.raises(CheckpointError, match="unusable description"):
        load(rewritten(tmp_path / "odd.safetensors", network, config={"layers": 3}))


def test_crops_that_the_architecture_does_not_take(tmp_path: Path, network: LAATransformer) -> None:
    for crop_px in ((0, 16), (16, 129), (96, 10)):
        with pytest.raises(CheckpointError, match=r"unusable description \(crops of \d+ to \d+ px\)"):
            load(rewritten(tmp_path / "crops.safetensors", network, crop_px=crop_px))


def test_a_card_without_an_architecture_is_the_laa_transformers(tmp_path: Path, network: LAATransformer) -> None:
    assert "architecture" not in json.loads(TINY_JSON)
    assert ModelCard.from_json(TINY_JSON).architecture == "laa-transformer"
    again, card = load(rewritten(tmp_path / "named.safetensors", network, architecture="laa-transformer"))
    assert isinstance(again, LAATransformer)
    assert card == ModelCard(TINY)


def test_an_unknown_architecture(tmp_path: Path, network: LAATransformer) -> None:
    message = "^needs the architecture hpinet-2, which this laa does not have: upgrade laa$"
    with pytest.raises(CheckpointError, match=message):
        load(rewritten(tmp_path / "other.safetensors", network, architecture="hpinet-2", protocol={"scale": 4}))
    with pytest.raises(CheckpointError, match="unusable description"):
        load(rewritten(tmp_path / "odd.safetensors", network, architecture=["laa-transformer"]))


@dataclass(frozen=True)
class ToyConfig:
    width: int

    def to_dict(self) -> dict[str, int]:
        return {"width": self.width}


TOY = Architecture(
    name="toy",
    parse_config=lambda values: ToyConfig(**values),
    build=lambda config: torch.nn.Conv2d(3, config.width, 1),
    protocol={"scale": 4},
    crop_px_range=(1, 4096),
)


def test_another_architecture_is_one_entry_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARCHITECTURES, TOY.name, TOY)
    network = torch.nn.Conv2d(3, 5, 1).half().float()
    card = ModelCard(ToyConfig(5), "toy", crop_px=(64, 4096), architecture="toy")
    path = tmp_path / "toy.safetensors"
    path.write_bytes(save_bytes(network, card))
    again, read = load(path)
    assert read == card
    assert isinstance(again, torch.nn.Conv2d)
    assert torch.equal(again.weight, network.weight)
    assert list(json.loads(card.to_json()))[:4] == ["format", "name", "architecture", "config"]
    with pytest.raises(LaaError, match="their architecture toy does not restore faces"):
        read_weights(path)


def test_each_architecture_has_its_own_protocol_and_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARCHITECTURES, TOY.name, TOY)
    toy = json.loads(ModelCard(ToyConfig(5), architecture="toy").to_json())
    assert toy["protocol"] == {"scale": 4}
    with pytest.raises(CheckpointError, match="another protocol"):
        ModelCard.from_json(json.dumps(toy | {"protocol": json.loads(TINY_JSON)["protocol"]}))
    with pytest.raises(CheckpointError, match="crops of 64 to 4097 px"):
        ModelCard.from_json(json.dumps(toy | {"crop_px": [64, 4097]}))


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
        path.write_bytes(save(changed, metadata={METADATA_KEY: ModelCard(TINY).to_json()}))
        with pytest.raises(CheckpointError, match=message):
            load(path)


def test_damaged_copy_of_a_hashed_file(good: Path) -> None:
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
