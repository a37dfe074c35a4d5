"""Runs that are killed or interrupted anywhere and begun again: the same bytes in the end, and nothing left over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from fakes import (
    ROOT,
    FakeBackground,
    contents,
    fake_upscaler,
    laa,
    refuse_to_load,
    result_files,
    run_batch,
    write_photo_of_noise,
)

from laa_cli.errors import Exit

PHOTOS = 5
PREPARE = """
import os, random, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from fakes import FakeBackground, fake_upscaler, one_face, run_batch
import laa_cli.batch.run, laa_cli.single.run, laa_cli.commands.app
from laa_cli import __main__, upscale
"""

KILLED = f"""{PREPARE}
def killed_at(number):
    '''A child that kills itself at that call to the disk, half-way through if it writes.'''
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    count = 0
    def deadly(function, half=False):
        def call(*arguments, **options):
            nonlocal count
            count += 1
            if count == number:
                if half:
                    function(arguments[0], arguments[1][:40])
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)
        return call
    os.fsync, os.link, os.replace = deadly(os.fsync), deadly(os.link), deadly(os.replace)
    os.write, os.unlink = deadly(os.write, half=True), deadly(os.unlink)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os._exit(run_batch(folder))

folder, number = Path(sys.argv[2]), 1
while killed_at(number):
    number += 1
print(number)
"""

STOPPED = f"""{PREPARE}
def load(*arguments):
    upscaler = fake_upscaler(FakeBackground(10, 0.002))
    def detect(rgb):
        time.sleep(0.01)
        return one_face(rgb)
    upscaler.detect = detect
    return upscaler

upscale.Upscaler.from_options = load
signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored where a shell runs the tests in the background
rounds = int(sys.argv[2])
random.seed(rounds)
signals = [getattr(signal, name) for name in sys.argv[3].split()]
sys.argv[:] = sys.argv[4:]

def stopped_after(seconds):
    '''A run that gets a signal then: how long it took, and its exit code or minus the signal that killed it.'''
    started = time.monotonic()
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            __main__.main()
        except SystemExit as end:
            os._exit(end.code)
        except KeyboardInterrupt:
            os._exit(130)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, random.choice(signals))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return time.monotonic() - started, code

whole = None
for _ in range(rounds):
    elapsed, code = stopped_after(random.uniform(0, whole or 0.5))
    print(code)
    whole = max(whole or 0, elapsed)
print(stopped_after(None)[1])
"""


def run_script(script: str, *arguments: str | Path) -> list[int]:
    """Runs one of the scripts; the numbers that it prints. Nothing but laa's own lines is said."""
    command = [sys.executable, "-c", script, str(ROOT / "tests"), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    assert "Exception ignored" not in result.stderr, result.stderr
    return [int(line) for line in result.stdout.split()]


def write_photos(folder: Path) -> Path:
    for number in range(PHOTOS):
        write_photo_of_noise(folder / "in" / "ab"[number % 2] / f"{number}.png", number)
    return folder


def partial_files(folder: Path) -> list[Path]:
    return list(folder.rglob(".laa-*.part"))


def test_a_batch_killed_at_every_step_and_resumed(tmp_path: Path) -> None:
    """Every run but the last is killed by kill -9, each a step later in what is left to do."""
    write_photos(tmp_path)
    [steps] = run_script(KILLED, tmp_path)
    assert steps > 8
    assert not partial_files(tmp_path)
    run_batch(tmp_path, out=tmp_path / "afresh")
    assert result_files(tmp_path / "out") == result_files(tmp_path / "afresh")
    assert run_batch(tmp_path, refuse_to_load) == Exit.OK


SIGNALS = "SIGKILL SIGTERM SIGHUP SIGINT"
ROUNDS = 12  # of each test: so many runs are stopped, and then one is not
ENDS = {0, 130, *(-getattr(signal, name) for name in SIGNALS.split())}


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command line, with fake models, in this process: a run that nobody stops."""
    monkeypatch.setattr("laa_cli.upscale.Upscaler.from_options", lambda *_: fake_upscaler(FakeBackground()))
    return partial(laa, monkeypatch)


def test_a_batch_that_signals_end_at_any_moment(tmp_path: Path, whole: Callable[..., int]) -> None:
    folder = write_photos(tmp_path)
    before = contents(folder / "in")
    *stopped, last = run_script(STOPPED, ROUNDS, SIGNALS, "laa", "batch", folder / "in", folder / "out")
    assert set(stopped) <= ENDS
    assert last == Exit.OK
    assert not partial_files(folder)
    assert whole("batch", folder / "in", folder / "afresh") == Exit.OK
    assert result_files(folder / "out") == result_files(folder / "afresh")
    assert len(result_files(folder / "out")) == PHOTOS
    assert contents(folder / "in") == before


def test_an_upscale_that_signals_end_at_any_moment(tmp_path: Path, whole: Callable[..., int]) -> None:
    folder = write_photos(tmp_path)
    photos = sorted((folder / "in").rglob("*.png"))
    before = contents(folder / "in")

    def command(out: Path) -> list[str | Path]:
        places = ["-o", out, "--faces-dir", out / "faces", "--compare", f"{out}/both/"]
        return ["upscale", *photos, *places, "--overwrite"]

    *stopped, last = run_script(STOPPED, ROUNDS, SIGNALS, "laa", *command(folder / "out"))
    assert set(stopped) <= ENDS
    assert last == Exit.OK
    assert not partial_files(folder)
    assert whole(*command(folder / "afresh")) == Exit.OK
    assert contents(folder / "out") == contents(folder / "afresh")
    assert len(contents(folder / "out")) == PHOTOS * 4
    assert contents(folder / "in") == before


def test_a_run_that_ignores_sighup_goes_on(tmp_path: Path) -> None:
    """As under nohup."""
    folder = write_photos(tmp_path)
    script = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + STOPPED
    assert set(run_script(script, 3, "SIGHUP", "laa", "batch", folder / "in", folder / "out", "--overwrite")) == {Exit.OK}
