"""Training and measuring, with a tiny network on made-up faces."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import CPU, TINY, folder_of, pictures
from PIL import Image

from laa_cli.errors import LaaError
from laa_cli.faceset.reading import read_faces
from laa_cli.restore.back_projection import back_project
from laa_cli.train.loader import EpochSampler
from laa_cli.train.parallel import ThreadedDataParallel
from laa_cli.train.run import training_flops_per_face
from laa_cli.train.schedule import TrainConfig, learning_rate_factor, warmed_cosine
from laa_cli.train.tasks import BlindTask, ProtocolTask, Samples, TrainingTask
from laa_cli.train.trainer import Trainer, l1
from laa_cli.utils.hardware import matrix_rate
from models.checkpoint import ModelCard, save_bytes
from models.laa.config import LAAConfig
from models.laa.network import LAATransformer
from models.protocol import network_input, reduce


def tar_of(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w") as tar:
        for picture in sorted(folder.iterdir()):
            tar.add(picture, picture.name)
    return path


def test_faces_come_from_folders_and_tar_files_alike(tmp_path: Path) -> None:
    faces = pictures(5, 144)
    folder = folder_of(faces, tmp_path / "faces")
    (folder / "notes.txt").write_text("not a picture")
    assert torch.equal(read_faces([folder], 144), faces)
    assert torch.equal(read_faces([tar_of(folder, tmp_path / "faces.tar"), folder], 144), torch.cat([faces, faces]))


def test_unusable_faces_are_named(tmp_path: Path) -> None:
    folder = folder_of(pictures(2, 144), tmp_path / "faces")
    with pytest.raises(LaaError, match=r"000.png is 144x144, not 128x128"):
        read_faces([folder], 128)
    (folder / "001.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(LaaError, match=r"cannot read the face .*001.png"):
        read_faces([folder], 144)
    (tmp_path / "empty").mkdir()
    with pytest.raises(LaaError, match="no pictures in"):
        read_faces([tmp_path / "empty"], 144)
    (tmp_path / "broken.tar").write_bytes(b"no tar")
    for name in ("broken.tar", "missing.tar"):
        with pytest.raises(LaaError, match=f"cannot read faces from .*{name}"):
            read_faces([tmp_path / name], 144)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_tar_file_is_named(tmp_path: Path, share: float) -> None:
    whole = tar_of(folder_of(pictures(4, 144), tmp_path / "faces"), tmp_path / "faces.tar").read_bytes()
    (tmp_path / "short.tar").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(LaaError, match=r"cannot read (the face|faces from) .*short.tar"):
        read_faces([tmp_path / "short.tar"], 144)


def test_a_damaged_header_is_not_the_end_of_a_tar_file(tmp_path: Path) -> None:
    shard = tar_of(folder_of(pictures(4, 144), tmp_path / "faces"), tmp_path / "faces.tar")
    with tarfile.open(shard) as tar:
        second = tar.getmembers()[2].offset
    content = bytearray(shard.read_bytes())
    content[second] ^= 1
    shard.write_bytes(content)
    with pytest.raises(LaaError, match=r"cannot read faces from .*faces.tar: a damaged header"):
        read_faces([shard], 144)


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz"])
@pytest.mark.parametrize("share", [1.0, 0.9, 0.3])
def test_compressed_tar_files_are_read_and_truncated_ones_named(tmp_path: Path, packing: str, share: float) -> None:
    faces, shard = folder_of(pictures(3, 128), tmp_path / "faces"), tmp_path / f"faces.tar.{packing}"
    with tarfile.open(shard, f"w:{packing}") as tar:  # type: ignore[call-overload]
        tar.add(faces)
    shard.write_bytes(shard.read_bytes()[: int(share * shard.stat().st_size)])
    if share == 1:
        assert torch.equal(read_faces([shard], 128), read_faces([faces], 128))
        return
    with pytest.raises(LaaError, match=shard.name):
        read_faces([shard], 128)


def test_every_epoch_sees_every_face_once() -> None:
    batches = EpochSampler(pictures(12, 144), size=4, seed=3)
    epochs = [[place for step in range(first, first + 3) for place in batches.indices(step)] for first in (0, 3)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(12))
    assert epochs[0] != epochs[1]


def test_batches_follow_from_seed_and_step() -> None:
    batches = EpochSampler(pictures(12, 144), size=4, seed=3)
    (faces, random), (again, same), (_, other) = batches(5), batches(5), batches(6)
    assert torch.equal(faces, again)
    assert torch.equal(torch.rand(3, generator=random), torch.rand(3, generator=same))
    assert not torch.equal(torch.rand(3, generator=random), torch.rand(3, generator=other))


def samples(batches: EpochSampler, step: int) -> Samples:
    """A step's training pairs of the paper's task."""
    return ProtocolTask()(*batches(step))


def test_schedule_warms_up_and_ends_at_zero() -> None:
    values = [warmed_cosine(done / 1000, 0.03) for done in range(1001)]
    assert 0 < values[0] < 0.1
    assert max(values) == pytest.approx(1, abs=1e-3)
    assert values[1000] == pytest.approx(0, abs=1e-6)
    assert all(later <= earlier for earlier, later in pairwise(values[31:]))


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


def test_the_loss_of_projected_faces_is_half_before_and_half_after() -> None:
    truth = pictures(2, 128).float().div(255)
    crops = list(reduce(truth, 40))
    answers = truth + 0.1  # wrong by a shift of brightness alone, which the projection mends
    plain, half, whole = (
        l1(answers, Samples(truth, crops, chosen)).item() for chosen in ([False] * 2, [True, False], [True] * 2)
    )
    assert plain == pytest.approx(0.1, abs=1e-5)
    first, second = (back_project(answers, reduce(truth, 40)) - truth).abs().mean((1, 2, 3)).tolist()
    assert max(first, second) < 0.05
    assert half == pytest.approx(0.075 + first / 4, abs=1e-5)
    assert whole == pytest.approx(0.05 + (first + second) / 4, abs=1e-5)


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


@pytest.mark.parametrize("values", [{"minutes": 0}, {"batch_size": 0}, {"learning_rate": float("nan")}])
def test_senseless_training_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(LaaError, match="must be above 0"):
        TrainConfig(**values)


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(LaaError, match="--task must be one of protocol, photo, not 'video'"):
        TrainConfig(task="video")


def test_a_picture_bomb_is_no_face(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((300, 300), np.uint8)).save(file, "PNG")
    (tmp_path / "big.png").write_bytes(file.getvalue())
    with pytest.raises(LaaError, match="300x300"):
        read_faces([tmp_path], 128)


def test_the_papers_rate_is_halved_every_20_epochs() -> None:
    paper = TrainConfig.with_defaults(None, None, None, None, task="protocol", seed=0, save_minutes=10, on_cpu=True, width=16)
    assert (paper.batch_size, paper.learning_rate) == (32, 4e-4)
    trainer = Trainer(TINY, paper, CPU, set_size=320)
    for epoch, expected in ((0, 4e-4), (19.9, 4e-4), (20, 2e-4), (59.9, 1e-4), (99.9, 2.5e-5)):
        trainer.progress.faces = round(320 * epoch)
        assert paper.learning_rate * learning_rate_factor(paper, trainer.progress_fraction) == pytest.approx(expected)
    trainer.progress.faces = 32000
    assert trainer.progress_fraction == 1


def test_a_budget_has_its_own_batch_and_rate() -> None:
    for minutes, faces in ((5.0, None), (None, 1000)):
        config = TrainConfig.with_defaults(
            minutes, faces, None, None, task="photo", seed=1, save_minutes=2, on_cpu=True, width=16
        )
        assert (config.batch_size, config.optimizer, config.save_minutes, config.seed) == (4, "muon", 2, 1)
        assert config.learning_rate == 3.5e-3
        assert learning_rate_factor(config, 0.03) == pytest.approx(1)
        assert learning_rate_factor(config, 1.0) == pytest.approx(0, abs=1e-9)
        config = TrainConfig.with_defaults(
            minutes, faces, None, 1e-4, task="photo", seed=1, save_minutes=2, on_cpu=False, width=16
        )
        assert (config.batch_size, config.learning_rate) == (32, 1e-4)
    with pytest.raises(LaaError, match="two budgets"):
        TrainConfig(minutes=1, faces=1)


def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path) -> None:
    trainer = Trainer(TINY, TrainConfig(), CPU)
    trainer.save(tmp_path / "state.safetensors")
    before = (tmp_path / "state.safetensors").read_bytes()
    with torch.no_grad():
        trainer.network.tail.bias[0] = torch.inf
    with pytest.raises(LaaError, match="the weights are not finite at step 0"):
        trainer.save(tmp_path / "state.safetensors")
    assert (tmp_path / "state.safetensors").read_bytes() == before


def test_the_work_of_a_face_is_counted() -> None:
    config = LAAConfig(base_channels=2, blocks=1, mlp_ratio=1)
    more = training_flops_per_face(replace(config, mlp_ratio=2)) - training_flops_per_face(config)
    places = [(stage.channels, stage.size) for stage in (*config.extraction, config.transformation, *config.recovery)]
    assert more == 3 * sum(2 * 2 * channels**2 * size**2 for channels, size in places)  # forward and twice that back


def test_the_matrix_rate_is_that_of_the_fastest_product() -> None:
    ticks = iter([10.0, 14.0, 20.0, 22.0, 30.0, 34.0])  # the warm-up is not timed
    assert matrix_rate(torch.device("cpu"), 8, lambda: next(ticks)) == 2 * 8**3 / 2.0


@pytest.mark.parametrize(("batch", "cores", "count"), [(8, 2, 2), (6, 4, 3), (4, 16, 4), (5, 3, 1), (1, 2, 1)])
def test_a_batch_is_shared_evenly_by_the_cores(batch: int, cores: int, count: int) -> None:
    assert ThreadedDataParallel(torch.nn.Conv2d(3, 3, 3), batch, cores).count == count


@pytest.mark.parametrize("task", [ProtocolTask(), BlindTask()])
def test_the_gradients_of_shards_are_those_of_the_batch(task: TrainingTask) -> None:
    torch.manual_seed(0)
    samples, network = task(pictures(6, 144), torch.Generator().manual_seed(1)), LAATransformer(TINY)
    torch.nn.init.normal_(network.tail.weight)
    shards = ThreadedDataParallel(network, 6, 3, torch.float32)
    for parameter in network.parameters():
        parameter.data += 0.01  # after the threads' copy was made

    def loss_of(network: torch.nn.Module, part: Samples) -> torch.Tensor:
        return l1(network(torch.cat([network_input(crop[None]) for crop in part.crops])), part)

    loss = loss_of(network, samples)
    expected = [loss.detach(), *torch.autograd.grad(loss, list(network.parameters()))]
    found = []
    for _ in range(2):
        found.append([shards.backward(loss_of, samples), *(parameter.grad for parameter in network.parameters())])
    for one, other, again in zip(expected, *found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-3 * one.abs().max().item())
        assert torch.equal(other, again)  # type: ignore[arg-type]


def test_threads_compute_in_bfloat16_what_autocast_would() -> None:
    samples = ProtocolTask()(pictures(4, 144), torch.Generator().manual_seed(1))
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
    trainer.step(ProtocolTask()(pictures(4, 144), torch.Generator().manual_seed(1)))
    assert not torch.equal(trainer.network.tail.weight, before)
