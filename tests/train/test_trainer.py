"""The training step, and a state that is saved and resumed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import CPU, TINY, damaged, pictures
from safetensors.torch import save

from laa_cli.errors import LaaError
from laa_cli.train.face_data import FaceSamples
from laa_cli.train.face_tasks import ProtocolTask
from laa_cli.train.loader import EpochSampler
from laa_cli.train.schedule import TrainConfig
from laa_cli.train.trainer import Trainer
from models.checkpoint import ModelCard, save_bytes
from models.laa.network import LAATransformer
from models.tensor_file import read_tensor_file, serialize


def samples(batches: EpochSampler, step: int) -> FaceSamples:
    """A step's training pairs of the paper's task."""
    return ProtocolTask().make_samples(*batches(step))


def stepped(trainer: Trainer, batches: EpochSampler, steps: int) -> None:
    """Steps on a clock of its own: a minute each."""
    for _ in range(steps):
        trainer.step(samples(batches, trainer.progress.step))
        trainer.progress.minutes += 1


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_resumed_run_equals_the_uninterrupted_one(tmp_path: Path, optimizer: str) -> None:
    config = TrainConfig(minutes=10, batch_size=2, optimizer=optimizer)
    batches = EpochSampler(pictures(6, 144), 2, seed=0)
    whole, first, second = (Trainer(TINY, config, CPU) for _ in range(3))
    stepped(whole, batches, 2)
    stepped(first, batches, 1)
    first.save(tmp_path / "state.safetensors")
    second.resume(tmp_path / "state.safetensors")
    stepped(second, batches, 1)
    assert second.progress == whole.progress
    for name, value in whole.state().items():
        assert torch.equal(second.state()[name], value), name


def test_an_unusable_state_is_an_error_of_ours(tmp_path: Path) -> None:
    state = tmp_path / "state.safetensors"
    trainer = Trainer(TINY, TrainConfig(), CPU)
    for content in (None, b"", b"broken", save_bytes(LAATransformer(TINY), ModelCard(TINY))):
        if content is not None:
            state.write_bytes(content)
        with pytest.raises(LaaError, match="cannot resume from"):
            trainer.resume(state)


def stepped_state(folder: Path, optimizer: str = "adamw") -> tuple[Path, TrainConfig]:
    """The state of a run after a step."""
    config = TrainConfig(minutes=10, batch_size=2, optimizer=optimizer)
    trainer = Trainer(TINY, config, CPU)
    stepped(trainer, EpochSampler(pictures(6, 144), 2, seed=0), 1)
    trainer.save(folder / "state.safetensors")
    return folder / "state.safetensors", config


@pytest.mark.parametrize("seed", range(2))
def test_a_damaged_state_is_refused_before_anything_of_it_is_used(tmp_path: Path, seed: int) -> None:
    state, config = stepped_state(tmp_path, ("adamw", "muon")[seed])
    content, random, trainer = state.read_bytes(), np.random.default_rng(seed), Trainer(TINY, config, CPU)
    expected = Trainer(TINY, config, CPU)
    expected.resume(state)
    before = {name: value.clone() for name, value in trainer.state().items()}
    end, refused = 8 + int.from_bytes(content[:8], "little"), 0
    for number in range(24):
        changed = damaged(content[:end], random) + content[end:] if number % 2 else damaged(content, random)
        state.write_bytes(changed)
        try:
            trainer.resume(state)
        except LaaError as error:
            assert re.match(rf"cannot resume from {re.escape(str(state))}: ", str(error)), error
            assert all(torch.equal(value, before[name]) for name, value in trainer.state().items())
            refused += 1
        else:
            assert all(torch.equal(value, trainer.state()[name]) for name, value in expected.state().items())
            trainer = Trainer(TINY, config, CPU)
    assert refused > 18


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("network.head.weight", lambda tensor: tensor * torch.inf, r"network\.head\.weight has values that cannot be"),
        ("exp_avg_sq.head.weight", lambda tensor: tensor - 1, r"exp_avg_sq\.head\.weight has values that cannot be"),
        ("step.head.weight", lambda tensor: tensor + 5, r"step\.head\.weight has values that cannot be"),
        ("average.head.weight", lambda tensor: tensor[:1], r"average\.head\.weight is torch\.float32 \(1, 3, 3, 3\)"),
        ("exp_avg.head.weight", lambda tensor: tensor.half(), r"exp_avg\.head\.weight is torch\.float16"),
        ("exp_avg.head.weight", None, r"it lacks exp_avg\.head\.weight"),
        ("average.tail.bias", None, r"it lacks average\.tail\.bias"),
        ("unknown", lambda _: torch.zeros(1), "it has an unknown tensor unknown"),
    ],
)
def test_a_damaged_state_of_an_older_laa(tmp_path: Path, name: str, change: Any, message: str) -> None:
    """It has no digest: what can be told without one is."""
    state, config = stepped_state(tmp_path)
    file = read_tensor_file(state)
    tensors = dict(file.tensors)
    if change is None:
        del tensors[name]
    else:
        tensors[name] = change(tensors.get(name)).contiguous()
    state.write_bytes(save(tensors, file.metadata))
    advice = "go on from the run's weights with --init-from, in another --output"
    with pytest.raises(LaaError, match=rf"cannot resume from .*: the file is damaged: {message}.*: {advice}$"):
        Trainer(TINY, config, CPU).resume(state)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": "-1"}, "its progress cannot be"),
        ({"step": "1.5"}, "its progress cannot be read"),
        ({"faces": "9" * 5000}, "its progress cannot be read"),
        ({"minutes": "nan"}, "its progress cannot be"),
        ({"minutes": ""}, "its progress cannot be read"),
        ({"seed": "\n" * 10**6}, "its seed is"),
        ({"more": ""}, "is no state of a run: it has 'more'"),
        ({"init_from": "{"}, "is damaged: init_from cannot be read"),
        ({"init_from": "3"}, "is damaged: init_from is no history"),
    ],
)
def test_a_state_whose_metadata_cannot_be(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    state, config = stepped_state(tmp_path)
    file = read_tensor_file(state)
    state.write_bytes(serialize(file.tensors, file.metadata | changes))
    with pytest.raises(LaaError, match=message) as error:
        Trainer(TINY, config, CPU).resume(state)
    assert len(str(error.value)) < 800


def test_a_state_of_an_older_laa_goes_on_and_is_said_to_have_no_digest(tmp_path: Path) -> None:
    said: list[str] = []
    state, config = stepped_state(tmp_path)
    file = read_tensor_file(state)
    older, trainer = Trainer(TINY, config, CPU), Trainer(TINY, config, CPU)
    trainer.resume(state, said.append)
    assert said == []
    state.write_bytes(save(file.tensors, file.metadata))
    older.resume(state, said.append)
    assert said == [f"{state} is of an older laa and has no SHA-256 to check it by: the next save adds it"]
    for name, value in trainer.state().items():
        assert torch.equal(older.state()[name], value), name
    older.save(state)
    assert read_tensor_file(state).verified


def test_training_learns() -> None:
    """On one batch of stripes that 16 px cannot hold, the loss falls."""
    stripes = (torch.arange(144) // 4 % 2 * 200 + 20).byte().expand(2, 3, 144, 144).contiguous()
    trainer = Trainer(TINY, TrainConfig(minutes=1000, batch_size=2, learning_rate=1e-2, warmup=0.001), CPU)
    first = samples(EpochSampler(stripes, 2, seed=0), 0)
    losses = []
    for _ in range(30):
        losses.append(trainer.step(first).item())
        trainer.progress.minutes += 1
    assert losses[-1] < 0.9 * losses[0], losses


def test_a_state_of_another_run_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state.safetensors"
    Trainer(TINY, TrainConfig(), CPU).save(state)
    Trainer(TINY, TrainConfig(), CPU).resume(state)  # though no step was made
    for model, config in (
        (replace(TINY, base_channels=4), TrainConfig()),
        (TINY, TrainConfig(seed=1)),
        (TINY, TrainConfig(batch_size=8)),
        (TINY, TrainConfig(task="photo")),
    ):
        with pytest.raises(LaaError, match=r"cannot resume from .*: its (network|seed|batch_size|task) is"):
            Trainer(model, config, CPU).resume(state)


def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path) -> None:
    trainer = Trainer(TINY, TrainConfig(), CPU)
    trainer.save(tmp_path / "state.safetensors")
    before = (tmp_path / "state.safetensors").read_bytes()
    with torch.no_grad():
        trainer.network.tail.bias[0] = torch.inf
    with pytest.raises(LaaError, match="the weights are not finite at step 0"):
        trainer.save(tmp_path / "state.safetensors")
    assert (tmp_path / "state.safetensors").read_bytes() == before


def test_a_state_of_the_other_optimizer_is_refused(tmp_path: Path) -> None:
    Trainer(TINY, TrainConfig(), CPU).save(tmp_path / "state.safetensors")
    with pytest.raises(LaaError, match="its optimizer is adamw, this run's muon"):
        Trainer(TINY, TrainConfig(optimizer="muon"), CPU).resume(tmp_path / "state.safetensors")
