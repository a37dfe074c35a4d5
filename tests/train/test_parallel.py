"""Gradients of a batch's shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import TINY, pictures
from photo_sets import TINY_HPINET, photo_folders, photo_set

from laa_cli.train.background_task import BackgroundTask
from laa_cli.train.face_tasks import BlindTask, ProtocolTask
from laa_cli.train.parallel import ThreadedDataParallel
from laa_cli.train.schedule import TrainConfig
from laa_cli.train.trainer import Trainer
from laa_cli.train.training_task import Samples, TrainingTask
from models.laa.config import LAAConfig


@pytest.mark.parametrize(("batch", "cores", "count"), [(8, 2, 2), (6, 4, 3), (4, 16, 4), (5, 3, 1), (1, 2, 1)])
def test_a_batch_is_shared_evenly_by_the_cores(batch: int, cores: int, count: int) -> None:
    assert ThreadedDataParallel(torch.nn.Conv2d(3, 3, 3), batch, cores).count == count


def batch_and_network(task: TrainingTask, folder: Path) -> tuple[Samples, torch.nn.Module]:
    """Six samples of a task, and a network for them whose output is not zero."""
    items: Any = pictures(6, 144)
    if task.noun == "patches":
        items = photo_set(photo_folders(folder)[0])[[0, 1, 2, 0, 1, 2]]
    torch.manual_seed(0)
    network = task.build(TINY_HPINET if task.noun == "patches" else TINY)
    tail = network.tail[0] if task.noun == "patches" else network.tail
    torch.nn.init.normal_(tail.weight)
    return task.make_samples(items, torch.Generator().manual_seed(1)), network


@pytest.mark.parametrize("task", [ProtocolTask(), BlindTask(), BackgroundTask()])
def test_the_gradients_of_shards_are_those_of_the_batch(task: TrainingTask, tmp_path: Path) -> None:
    samples, network = batch_and_network(task, tmp_path)
    shards = ThreadedDataParallel(network, 6, 3, torch.float32)
    for parameter in network.parameters():
        parameter.data += 0.01  # after the threads' copy was made

    def loss_of(network: torch.nn.Module, part: Samples) -> torch.Tensor:
        return task.loss(network(*part.network_inputs()), part)

    loss = loss_of(network, samples)
    expected = [loss.detach(), *torch.autograd.grad(loss, list(network.parameters()))]
    found = []
    for _ in range(2):
        found.append([shards.backward(loss_of, samples), *(parameter.grad for parameter in network.parameters())])
    for one, other, again in zip(expected, *found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-3 * one.abs().max().item())
        assert torch.equal(other, again)  # type: ignore[arg-type]


def test_threads_compute_in_bfloat16_what_autocast_would() -> None:
    samples = ProtocolTask().make_samples(pictures(4, 144), torch.Generator().manual_seed(1))
    trainer = Trainer(LAAConfig(base_channels=8, blocks=1), TrainConfig(batch_size=4, faces=8), torch.device("cpu"))
    torch.nn.init.normal_(trainer.network.tail.weight, std=0.1)
    parameters = list(trainer.network.parameters())
    loss = trainer.loss(trainer.network, samples)
    expected = [loss.detach(), *torch.autograd.grad(loss, parameters)]
    shards = ThreadedDataParallel(trainer.network, 4, 1)
    found = [shards.backward(trainer.loss, samples), *(parameter.grad for parameter in parameters)]
    assert {parameter.dtype for parameter in shards.working.parameters()} == {torch.bfloat16, torch.float32}
    one, other = (torch.cat([value.flatten() for value in values]) for values in (expected, found))
    assert (one - other).norm() < 0.02 * one.norm()


def test_on_a_cpu_a_trainer_shares_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    trainer = Trainer(TINY, TrainConfig(batch_size=4, faces=8), torch.device("cpu"))
    assert trainer.threaded is not None
    assert trainer.threaded.count == 2
    before = trainer.network.tail.weight.detach().clone()
    trainer.step(ProtocolTask().make_samples(pictures(4, 144), torch.Generator().manual_seed(1)))
    assert not torch.equal(trainer.network.tail.weight, before)
