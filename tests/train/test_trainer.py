"""The training step, and a state that is saved and resumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fakes import CPU, TINY, pictures

from laa_cli.errors import LaaError
from laa_cli.train.data import Samples
from laa_cli.train.loader import EpochSampler
from laa_cli.train.schedule import TrainConfig
from laa_cli.train.tasks import ProtocolTask
from laa_cli.train.trainer import Trainer
from models.checkpoint import ModelCard, save_bytes
from models.laa.network import LAATransformer


def samples(batches: EpochSampler, step: int) -> Samples:
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
