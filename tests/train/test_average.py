"""Weights that are the mean of several runs'."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fakes import TINY, folder_of, pictures

from laa_cli.errors import LaaError
from laa_cli.restore.doubt_features import FEATURES as DOUBT_FEATURES
from laa_cli.restore.fidelity import FEATURES
from laa_cli.train.average import AVERAGED, average, parse, run
from models.checkpoint import ModelCard, load, read_checkpoint, save_bytes
from models.laa.network import LAATransformer

CARD = ModelCard(
    TINY, "newest", {"faces": 9, "minutes": 2.0, "task": "photo", "init_from": {"faces": 3}}, {"gain_db": 1.0}, (10, 96)
)


def write_weights(path: Path, seed: int, card: ModelCard[object] = CARD) -> Path:
    torch.manual_seed(seed)
    path.write_bytes(save_bytes(LAATransformer(card.config), card))  # type: ignore[arg-type]
    return path


def test_the_mean_of_two_runs_gets_a_card_of_its_own(tmp_path: Path) -> None:
    older = replace(CARD, name="older", training={"faces": 5, "minutes": 1.0, "task": "photo"})
    paths = [write_weights(tmp_path / "a.safetensors", 0), write_weights(tmp_path / "b.safetensors", 1, older)]
    faces, held_out = folder_of(pictures(3, 144), tmp_path / "faces"), folder_of(pictures(5, 128)[3:], tmp_path / "held_out")
    output = tmp_path / "laa-soup.safetensors"
    lines: list[str] = []
    options = ["--data", str(faces), "--validation", str(held_out), "--output", str(output)]
    run(parse([*map(str, paths), *options]), lines.append)

    first, second = (read_checkpoint(path)[1] for path in paths)
    card, tensors = read_checkpoint(output)
    for name, tensor in tensors.items():
        assert torch.allclose(tensor.float(), (first[name].float() + second[name].float()) / 2, atol=1e-3, rtol=1e-3), name
    assert not all(torch.equal(tensors[name], first[name]) for name in tensors)
    assert card.training == CARD.training | {AVERAGED: [{"faces": 5, "minutes": 1.0, "name": "older"}]}
    assert (card.name, card.crop_px, card.config) == ("laa-soup", (10, 96), TINY)
    assert len(card.fidelity_coefficients) == FEATURES
    assert len(card.doubt_coefficients) == DOUBT_FEATURES
    assert card.validation["validated_faces"] == 2
    assert f"{card.validation['gain_db']:+.3f} dB" in lines[-1]
    assert load(output)[1].verified


def test_a_single_file_keeps_its_weights(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "a.safetensors", 0)
    soup = average([path])
    expected = read_checkpoint(path)[1]
    found = soup.network.state_dict()
    assert all(torch.equal(found[name].float(), expected[name].float()) for name in expected)
    assert soup.card.training == CARD.training


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    wider = replace(CARD, config=replace(TINY, base_channels=4))
    paths = [write_weights(tmp_path / "a.safetensors", 0), write_weights(tmp_path / "b.safetensors", 1, wider)]
    with pytest.raises(LaaError, match=r"b\.safetensors cannot be averaged with .*its config is .*base_channels=4"):
        average(paths)


def test_weights_without_a_task_are_refused(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "a.safetensors", 0, replace(CARD, training={"faces": 3}))
    with pytest.raises(LaaError, match="does not say for which task"):
        average([path])


def test_an_input_is_never_the_output(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "a.safetensors", 0)
    before = path.read_bytes()
    faces, held_out = folder_of(pictures(3, 144), tmp_path / "faces"), folder_of(pictures(5, 128)[3:], tmp_path / "held_out")
    with pytest.raises(LaaError, match="is an input"):
        run(parse([str(path), "--data", str(faces), "--validation", str(held_out), "--output", str(path)]), lambda line: None)
    assert path.read_bytes() == before
