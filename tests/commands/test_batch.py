"""`laa batch` as a command: the shipped weights, options, signals, the progress bar, its measurement."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import (
    ROOT,
    in_a_terminal,
    laa,
    one_line,
    records,
    refuse_to_load,
    result_files,
    run_batch,
    save_background,
    write_photo_of_noise,
)
from PIL import Image
from skimage.data import astronaut

from laa_cli.console import Screen
from laa_cli.errors import Exit
from laa_cli.upscale import Options, Upscaler


@cache
def upscaler() -> Upscaler:
    return Upscaler.load("cpu")


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A folder of photos with a real face of several sizes."""
    (tmp_path / "in").mkdir()
    portrait = Image.fromarray(astronaut())
    for width in (80, 96, 128):
        portrait.resize((width, width), Image.Resampling.BICUBIC).save(tmp_path / "in" / f"{width}.png")
    return tmp_path


def test_the_shipped_weights_give_what_the_python_api_gives(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert laa(monkeypatch, "batch", faces / "in", faces / "out", "--device", "cpu") == Exit.OK
    assert all(record["faces"][0]["action"] == "restored" for record in records(faces))
    with Image.open(faces / "in" / "96.png") as photo, Image.open(faces / "out" / "96.png") as result:
        alone = upscaler()(np.asarray(photo), Options()).pixels
        assert np.abs(np.asarray(result, np.int16) - alone).max() <= 1


def test_a_model_file_for_the_background(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_background(faces / "in" / "own.safetensors")
    command = ("batch", faces / "in", faces / "out", "--device", "cpu", "--scale", "2", "--background", path)
    assert laa(monkeypatch, *command) == Exit.OK
    assert {(record["background"], record["options"]["background"]) for record in records(faces)} == {("own", "file")}
    sums = [record["background_weights"] for record in records(faces)]
    assert sums == [hashlib.sha256(path.read_bytes()).hexdigest()] * 3
    monkeypatch.setattr(Upscaler, "from_options", refuse_to_load)
    assert laa(monkeypatch, *command) == Exit.OK
    path.write_bytes(b"damaged")
    monkeypatch.undo()
    assert laa(monkeypatch, *command) == Exit.FAILED
    assert len(records(faces)) == 3


def test_workers_and_company_change_no_byte_of_a_face(faces: Path) -> None:
    run_batch(faces, upscaler, workers=3)
    run_batch(faces, upscaler, out=faces / "one", workers=1, memory_bytes=1)
    for name in ("128.png", "80.png"):  # in another order, in other company
        (faces / "in" / name).unlink()
    run_batch(faces, upscaler, out=faces / "fewer", workers=2)
    assert result_files(faces / "out") == result_files(faces / "one")
    assert result_files(faces / "fewer").items() <= result_files(faces / "out").items()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["gone", "out"], 2, "is no folder"),
        (["in", "in"], 2, "among the photos"),
        (["in", "out", "--memory", "much"], 2, "--memory"),
        (["in", "out", "--max-face", "-1"], 2, "--max-face"),
        (["in", "out", "--weights", "gone.safetensors"], 1, "gone.safetensors"),
        (["in", "out", "--background", "gone.pth"], 1, "gone.pth"),
        (["in", "out", "--background", "gone.pth", "--scale", "1"], 1, "gone.pth"),
        (["in", "out", "--background", ""], 2, "--background must be auto, plain, hpinet or a model file"),
        (["in", "out", "--exclude", "*"], 1, "no photo"),
    ],
)
def test_what_is_said_of_a_wrong_call(
    tmp_path: Path, arguments: list[str], code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    write_photo_of_noise(tmp_path / "in" / "a.png")
    monkeypatch.chdir(tmp_path)
    assert laa(monkeypatch, "batch", *arguments, "-q") == code
    assert said in one_line(capsys)


SLOW = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored where a shell runs the tests in the background
sys.path.insert(0, sys.argv.pop(1))
from fakes import fake_upscaler, one_face
from laa_cli import __main__, upscale

def load(*arguments):
    upscaler = fake_upscaler()
    def detect(rgb):
        open(sys.argv[-1] + "/../detecting", "w").close()
        time.sleep(seconds)
        return one_face(rgb)

    upscaler.detect = detect
    return upscaler

seconds = float(sys.argv.pop(1))
upscale.Upscaler.from_options = load
__main__.main()
"""


def interrupted(folder: Path, seconds: float, signals: list[int], ready: str) -> tuple[int, str]:
    """Runs the command with a detector that takes its time, sends signals once a `ready` is there; exit code and stderr."""
    command = [sys.executable, "-c", SLOW, str(ROOT / "tests"), str(seconds), "batch", "--background", "plain"]
    command += [str(folder / "in"), str(folder / "out")]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
    while not any(folder.glob(ready)) and process.poll() is None:
        time.sleep(0.01)
    said, stderr = "", process.stderr
    assert stderr is not None
    for number in signals:
        process.send_signal(number)
        said += stderr.readline()
    return process.wait(), said + process.communicate()[1]


def test_sigterm_ends_between_photos_and_the_next_run_goes_on(tmp_path: Path) -> None:
    for number in range(24):
        write_photo_of_noise(tmp_path / "in" / f"{number:02}.png", number)
    code, said = interrupted(tmp_path, 0.3, [signal.SIGTERM], "out/*.png")
    assert (code, said.count("\n")) == (Exit.INTERRUPTED, 2)
    assert "stopping when" in said
    assert "interrupted: what was written before is whole" in said
    assert not list((tmp_path / "out").rglob(".laa-*"))
    done = {record["input"] for record in records(tmp_path)}
    assert done == result_files(tmp_path / "out").keys()
    assert 0 < len(done) < 24
    assert run_batch(tmp_path) == Exit.OK


def test_the_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    write_photo_of_noise(tmp_path / "in" / "a.png")
    code, said = interrupted(tmp_path, 3600, [signal.SIGINT, signal.SIGINT], "detecting")
    assert code == Exit.INTERRUPTED
    assert "at once" in said
    assert run_batch(tmp_path) == Exit.OK


def test_the_progress_bar_shows_the_pace(tmp_path: Path) -> None:
    code = (
        "import time\n"
        "from laa_cli.console import Screen\n"
        "with Screen().progress(3) as bar:\n"
        "    for faces in (2, 0, 1): time.sleep(0.2); bar.advance(faces)"
    )
    shown, data = in_a_terminal(tmp_path, code)
    assert "photos/s" in shown
    assert "faces/s" in shown
    assert data == b""


def test_a_pipe_has_no_progress_bar(capfd: Any) -> None:
    with Screen().progress(3) as bar:
        bar.advance(1)
    assert capfd.readouterr() == ("", "")
