"""The loop of a tiny network: a run that was killed or interrupted ends as if it never was."""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import ALONE, CPU, TINY, Killed, pictures
from safetensors.torch import load_file
from torch import Tensor, nn

from laa_cli.console import Screen
from laa_cli.errors import LaaError
from laa_cli.train.face_tasks import FaceTask
from laa_cli.train.loader import EpochSampler, PrefetchLoader
from laa_cli.train.log import read_rows
from laa_cli.train.loop import TrainingLoop
from laa_cli.train.recorder import Recorder
from laa_cli.train.schedule import TrainConfig
from laa_cli.train.tasks import TASKS
from laa_cli.train.trainer import Trainer
from laa_cli.train.training_task import Samples
from laa_cli.utils.signals import SIGNALS
from models.laa.config import LAAConfig


class Small(nn.Module):
    """A network that takes no time."""

    def __init__(self, config: LAAConfig) -> None:
        super().__init__()
        self.config, self.conv = config, nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, enlarged: Tensor) -> Tensor:
        return enlarged + self.conv(enlarged)


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """Ctrl-C is ignored where a shell runs the tests in the background, and so by what they run."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FaceTask, "build", lambda task, config: Small(config))


def loop(
    folder: Path, config: TrainConfig, at: Callable[[int], None] = lambda step: None, resume: bool = False
) -> TrainingLoop:
    """A run on a clock of its own, a minute for each step. `at` is called within each."""
    trainer = Trainer(TINY, config, CPU, set_size=6)
    if resume and (folder / "state.safetensors").exists():
        trainer.resume(folder / "state.safetensors")
    loader = PrefetchLoader(EpochSampler(pictures(6, 144), config.batch_size, config.seed), TASKS[config.task], CPU, ALONE)

    class Fed:
        def __call__(self, step: int, stage: int) -> Samples:
            samples = loader(step, stage)
            at(step)
            return samples

    folder.mkdir(exist_ok=True)
    recorder = Recorder(folder, pictures(1, 128), {"name": "run"}, Screen(quiet=True))
    ticks = count()
    return TrainingLoop(trainer, Fed(), recorder, ALONE, Screen(quiet=True), clock=lambda: 20.0 * next(ticks))  # type: ignore[arg-type]


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


def hang_up() -> None:
    os.kill(os.getpid(), signal.SIGHUP)


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
        (3, hang_up, KeyboardInterrupt),
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
        assert re.fullmatch(expected, run.live_line()), run.live_line()


@pytest.mark.usefixtures("small")
def test_ctrl_c_waits_for_the_step_and_the_second_does_not(tmp_path: Path) -> None:
    config, steps = TrainConfig(faces=20, batch_size=2), []

    def twice() -> None:
        interrupt()
        steps.append("first")
        interrupt()
        steps.append("second")

    handlers = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(KeyboardInterrupt):
        loop(tmp_path / "run", config, dying(2, twice)).run()
    assert steps == ["first"]
    assert not (tmp_path / "run" / "state.safetensors").exists()  # half a step is not one to go on from
    assert [signal.getsignal(number) for number in SIGNALS] == handlers


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
