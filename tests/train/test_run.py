"""Whole runs of a tiny network: what they write, and that a run which was killed or interrupted ends as if it never was."""

from __future__ import annotations

import csv
import errno
import os
import platform
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import ALONE, CPU, ROOT, TINY, pictures
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from laa_cli.console import Screen
from laa_cli.errors import LaaError
from laa_cli.faceset.reading import read_faces
from laa_cli.restore.fidelity import FEATURES
from laa_cli.train.divergence import FIRST, PATIENCE, LossMonitor
from laa_cli.train.loader import EpochSampler, PrefetchLoader
from laa_cli.train.log import read_rows
from laa_cli.train.loop import TrainingLoop
from laa_cli.train.recorder import Recorder
from laa_cli.train.run import TrainRequest, start
from laa_cli.train.schedule import TrainConfig
from laa_cli.train.tasks import TASKS, BlindTask, Samples
from laa_cli.train.trainer import Trainer
from laa_cli.train.validation import validate
from laa_cli.utils.hardware import keep_freed_memory
from models.checkpoint import ModelCard, load, save_bytes
from models.laa.config import LAAConfig
from models.laa.network import LAATransformer


def started(data: tuple[Path, Path], config: TrainConfig, screen: Screen | None = None, **values: Any) -> Path:
    run = TrainRequest([data[0]], data[1], data[0].parent / "run", device="cpu", **values)
    return start(run, TINY, config, screen or Screen(quiet=True))


def test_train_writes_weights_that_load(data: tuple[Path, Path], capsys: Any) -> None:
    config = TrainConfig(minutes=0.02, batch_size=2, save_minutes=0.001)
    weights = started(data, config, Screen(), about="made up")
    network, card = load(weights)
    assert (card.name, card.config, card.training["about"]) == ("run", TINY, "made up")
    assert card.training["faces"] == 2 * card.training["step"] > 0
    faces = read_faces([data[1]], 128)
    assert validate(network, faces, CPU).summary()["gain_db"] == pytest.approx(card.validation["gain_db"], abs=0.02)
    lines = list(csv.DictReader((weights.parent / "log.csv").read_text().splitlines()))
    assert int(lines[-1]["faces"]) == card.training["faces"]
    assert 0 < float(lines[-1]["data_share"]) < 1
    assert float(lines[-1]["faces_per_s"]) > 0
    assert 0 < float(lines[-1]["matrix_share"]) < 1
    with pytest.raises(LaaError, match="--resume"):
        started(data, config)
    (weights.parent / ".laa-x.part").write_bytes(b"half a state")
    assert load(started(data, config, resume=True))[1].training["step"] >= card.training["step"]
    assert not list(weights.parent.glob(".*"))
    assert "over bicubic" in capsys.readouterr().out


def test_training_for_photos_starts_from_weights(data: tuple[Path, Path], tmp_path: Path) -> None:
    known = LAATransformer(replace(TINY, base_channels=4))
    (tmp_path / "known.safetensors").write_bytes(save_bytes(known, ModelCard(known.config)))
    config = TrainConfig(faces=6, task="photo", batch_size=2, learning_rate=1e-6)
    network, card = load(started(data, config, init_from=tmp_path / "known.safetensors"))
    assert (card.config, card.crop_px, card.training["task"]) == (known.config, BlindTask.crop_px, "photo")
    assert card.training["faces"] == 6
    assert "photo_gain_db" in card.validation
    assert len(card.fidelity_coefficients) == FEATURES
    moved = network.state_dict()["head.weight"]
    torch.testing.assert_close(moved, known.state_dict()["head.weight"], atol=1e-3, rtol=1e-3)


def test_a_run_can_be_used_and_watched_before_it_ends(data: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[str]] = []
    keep = Recorder.save_and_record

    def keeping(self: Recorder, *arguments: Any) -> None:
        keep(self, *arguments)
        load(self.folder / "weights.safetensors")
        seen.append({path.name for path in self.folder.iterdir()})

    monkeypatch.setattr(Recorder, "save_and_record", keeping)
    folder = started(data, TrainConfig(faces=4, batch_size=2, save_minutes=0)).parent
    assert {"weights.safetensors", "state.safetensors", "log.csv", "curve.png", "preview.png"} <= seen[0]
    with Image.open(folder / "preview.png") as sheet:
        assert sheet.size == (3 * 128, 3 * 144)
        truth = np.asarray(sheet)[2 * 144 + 16 :, :128]
    assert np.abs(truth.astype(int) - pictures(3, 128)[0].permute(1, 2, 0).numpy()).max() <= 1
    with Image.open(folder / "curve.png") as drawn:
        assert np.asarray(drawn).std() > 5


# Killed, interrupted, resumed


class Killed(BaseException):
    """kill -9, as far as a test can throw it: nothing is saved on the way out."""


class Small(nn.Module):
    """A network that takes no time."""

    def __init__(self, config: LAAConfig) -> None:
        super().__init__()
        self.config, self.conv = config, nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, enlarged: Tensor) -> Tensor:
        return enlarged + self.conv(enlarged)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laa_cli.train.trainer.LAATransformer", Small)


def loop(
    folder: Path, config: TrainConfig, at: Callable[[int], None] = lambda step: None, resume: bool = False
) -> TrainingLoop:
    """A run on a clock of its own, a minute for each step. `at` is called within each."""
    trainer = Trainer(TINY, config, CPU, set_size=6)
    if resume and (folder / "state.safetensors").exists():
        trainer.resume(folder / "state.safetensors")
    feed = PrefetchLoader(EpochSampler(pictures(6, 144), config.batch_size, config.seed), TASKS[config.task], CPU, ALONE)

    class Fed:
        def __call__(self, step: int) -> Samples:
            samples = feed(step)
            at(step)
            return samples

    folder.mkdir(exist_ok=True)
    recorder = Recorder(folder, pictures(1, 128), {"name": "run"}, Screen(quiet=True))
    ticks = count()
    return TrainingLoop(trainer, Fed(), recorder, ALONE, Screen(quiet=True), lambda: 20.0 * next(ticks))  # type: ignore[arg-type]


def dying(at_step: int, how: Callable[[], None]) -> Callable[[int], None]:
    def at(step: int) -> None:
        if step == at_step:
            how()

    return at


def kill() -> None:
    raise Killed


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("task", ["protocol", "photo"])
@pytest.mark.parametrize("budget", [{"minutes": 7.0}, {"faces": 14}])
def test_a_run_that_is_stopped_anywhere_ends_as_if_it_never_was(tmp_path: Path, task: str, budget: dict[str, Any]) -> None:
    config = TrainConfig(task=task, batch_size=2, save_minutes=1.5, **budget)
    whole = loop(tmp_path / "whole", config)
    whole.run()
    folder = tmp_path / "stopped"
    for step, how, what in (
        (0, kill, Killed),
        (1, interrupt, KeyboardInterrupt),
        (4, kill, Killed),
        (5, terminate, KeyboardInterrupt),
    ):
        with pytest.raises(what):
            loop(folder, config, dying(step, how), resume=True).run()
    again = loop(folder, config, resume=True)
    assert 2 <= again.trainer.progress.step < 7
    again.run()
    assert again.trainer.progress == whole.trainer.progress
    expected = whole.trainer.state()
    for name, value in again.trainer.state().items():
        assert torch.equal(value, expected[name]), name
    assert same(folder, tmp_path / "whole")


def same(one: Path, other: Path) -> bool:
    """Whether two runs left the same state."""
    left, right = (load_file(folder / "state.safetensors") for folder in (one, other))
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.usefixtures("small")
def test_the_live_line_says_how_it_goes(tmp_path: Path) -> None:
    for name, budget, left in (("faces", {"faces": 40}, 6), ("minutes", {"minutes": 20.0}, 9)):
        config = TrainConfig(batch_size=2, save_minutes=4.5, **budget)  # type: ignore[arg-type]
        run = loop(tmp_path / name, config, dying(10, interrupt))
        with pytest.raises(KeyboardInterrupt):
            run.run()
        expected = rf"22 faces, 0\.1 faces/s, {left} min left, \d\d\.\d\d dB \([+-]\d+\.\d\d\), 50% data wait"
        assert re.fullmatch(expected, run.line()), run.line()


@pytest.mark.usefixtures("small")
def test_ctrl_c_waits_for_the_step_and_the_second_does_not(tmp_path: Path) -> None:
    config, steps = TrainConfig(faces=20, batch_size=2), []

    def twice() -> None:
        interrupt()
        steps.append("first")
        interrupt()
        steps.append("second")

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt):
        loop(tmp_path / "run", config, dying(2, twice)).run()
    assert steps == ["first"]
    assert not (tmp_path / "run" / "state.safetensors").exists()  # half a step is not one to go on from
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_diverged_run_leaves_the_last_good_state(tmp_path: Path, loss: float) -> None:
    config = TrainConfig(faces=20, batch_size=2, save_minutes=0)
    run = loop(tmp_path / "run", config)
    step = run.trainer.step
    run.trainer.step = lambda samples: step(samples) * (loss if run.trainer.progress.step == 2 else 1)  # type: ignore[method-assign]
    with pytest.raises(LaaError, match=rf"the loss is {loss} at step 2: .*--resume"):
        run.run()
    assert loop(tmp_path / "run", config, resume=True).trainer.progress.step == 1


def test_a_loss_that_stays_far_above_what_it_was_is_an_error() -> None:
    watch = LossMonitor(ALONE)

    def look(loss: float) -> float:
        watch.add(torch.tensor(loss))
        return watch.check(7)

    for _ in range(FIRST):
        assert look(0.1) == pytest.approx(0.1)
    for _ in range(PATIENCE - 1):
        look(0.31)
        assert not watch.is_good
    look(0.29)
    assert watch.is_good
    for _ in range(PATIENCE - 1):
        look(0.31)
    with pytest.raises(LaaError, match="diverged"):
        look(0.31)


@pytest.mark.usefixtures("small")
def test_a_full_disk_loses_no_state_and_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainConfig(faces=14, batch_size=2, save_minutes=0)
    whole = loop(tmp_path / "whole", config)
    whole.run()
    full, fsync = [False], os.fsync
    kept: list[bytes] = []

    def fill(step: int) -> None:
        full[0] = 2 <= step < 5
        if full[0]:
            kept.append((tmp_path / "run" / "state.safetensors").read_bytes())

    def failing(handle: int) -> None:
        if full[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", failing)
    run = loop(tmp_path / "run", config, fill)
    run.run()
    assert len(set(kept)) == 1
    assert same(tmp_path / "run", tmp_path / "whole")
    assert [int(row["step"]) for row in read_rows(tmp_path / "run" / "log.csv")] == [1, 2, 6]
    assert not list((tmp_path / "run").glob("*.part"))


@pytest.mark.usefixtures("small")
def test_a_disk_that_stays_full_is_a_clear_message_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LaaError, match="No space left on device: make room"):
        loop(tmp_path / "run", TrainConfig(faces=4, batch_size=2, save_minutes=0)).run()


def test_out_of_memory_names_the_batch(data: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def step(self: Trainer, samples: Samples) -> Tensor:
        raise RuntimeError("CUDA out of memory. Tried to allocate")

    monkeypatch.setattr(Trainer, "step", step)
    with pytest.raises(LaaError, match="not enough memory for --batch-size 2"):
        started(data, TrainConfig(faces=4, batch_size=2))


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def test_memory_is_kept_where_glibc_is() -> None:
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")


@pytest.mark.parametrize(("optimizer", "rounding"), [("adamw", 0.05), ("muon", 0.15)])
def test_two_processes_train_as_one(data: tuple[Path, Path], optimizer: str, rounding: float) -> None:
    """In the environment that torchrun gives, on gloo; equal within what sums in another order make of bf16.

    Muon makes as much of a gradient's smallest directions, which are rounding, as of its largest.
    """
    folder = data[0].parent
    command = [sys.executable, "-m", "laa_cli", "train", data[0], "--validation", data[1], "--output", folder / "two"]
    command += "--device cpu --faces 6 --batch-size 2 --width 2 --set blocks=1 --set mlp_ratio=1 --learning-rate 6e-4".split()  # noqa: SIM905
    command += ["--optimizer", optimizer]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    environment["MASTER_PORT"] = str(free_port())
    ranks = [
        subprocess.Popen(
            [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
            env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]  # fmt: skip
    one = load(started(data, TrainConfig(faces=6, batch_size=2, optimizer=optimizer)))[0].state_dict()
    said = [rank.communicate(timeout=300)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], said
    assert "in 2 processes" in said[0]
    assert not said[1]
    two = load(folder / "two" / "weights.safetensors")[0].state_dict()
    first = Trainer(TINY, TrainConfig(), CPU).network.state_dict()
    moved, apart = (sum((one[name] - other[name]).abs().sum().item() for name in one) for other in (first, two))
    assert apart < rounding * moved
