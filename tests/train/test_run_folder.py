"""The folder of a run: one run in it at a time, also of several processes, and a finished one stays as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import ROOT, TINY, contents, free_port, laa, one_line

from laa_cli.console import Screen
from laa_cli.errors import LaaError
from laa_cli.train.recorder import Recorder
from laa_cli.train.run import TrainRequest, start
from laa_cli.train.schedule import TrainConfig
from laa_cli.utils.locks import locked
from models.checkpoint import load

CONFIG = TrainConfig(faces=4, batch_size=2)


def train(data: tuple[Path, Path], config: TrainConfig = CONFIG, **values: Any) -> Path:
    """Trains into the folder "run" beside the data; returns it."""
    request = TrainRequest(data=[data[0]], validation=data[1], folder=data[0].parent / "run", device="cpu", **values)
    return start(request, TINY, config, Screen()).parent


def refuse(*_: Any, **__: Any) -> None:
    raise AssertionError("the faces were read")


@pytest.mark.parametrize("resume", [False, True])
def test_a_second_run_into_a_folder_is_refused_before_it_reads_faces(
    data: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, resume: bool
) -> None:
    folder = data[0].parent / "run"
    if resume:
        train(data)
    before = contents(folder)
    monkeypatch.setattr("laa_cli.train.face_tasks.read_splits", refuse)
    with locked(folder, ""), pytest.raises(LaaError) as error:
        train(data, resume=resume)
    busy = f"another `laa train` is writing to {folder}: wait until it ends, or choose another --output"
    assert str(error.value) == busy
    assert {name: content for name, content in contents(folder).items() if name != ".laa.lock"} == {
        name: content for name, content in before.items() if name != ".laa.lock"
    }


def test_the_processes_of_a_run_follow_its_main_one(data: tuple[Path, Path]) -> None:
    """The main process alone sees the lock, and says so; none of them hangs."""
    folder = data[0].parent / "run"
    command = [sys.executable, "-m", "laa_cli", "train", data[0], "--validation", data[1], "--output", folder, "--width", "2"]
    command += ["--device", "cpu", "--faces", "6", "--batch-size", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    environment["MASTER_PORT"] = str(free_port())
    with locked(folder, ""):
        ranks = [
            subprocess.Popen(
                [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
                env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            )
            for rank in range(2)
        ]  # fmt: skip
        said = [rank.communicate(timeout=300)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [1, 1], said
    assert "error: another `laa train` is writing to" in said[0]
    assert "error" not in said[1]


@pytest.mark.parametrize("budget", [{"faces": 4}, {"minutes": 1e-9}])
def test_a_finished_run_is_left_as_it_is(data: tuple[Path, Path], budget: dict[str, Any], capsys: Any) -> None:
    config = TrainConfig(batch_size=2, **budget)
    folder = train(data, config)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert train(data, config, resume=True) == folder
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()} == before
    said = capsys.readouterr()
    assert said.out == ""
    expected = f"notice: {folder} is finished: {4 if 'faces' in budget else 2} faces, "
    advice = f"go on with more --{next(iter(budget))}, or with --init-from {folder / 'weights.safetensors'} in another --output"
    assert said.err.startswith(expected)
    assert advice in said.err


def test_more_of_the_budget_goes_on(data: tuple[Path, Path]) -> None:
    folder = train(data)
    train(data, replace(CONFIG, faces=8), resume=True)
    assert load(folder / "weights.safetensors")[1].training["faces"] == 8
    assert (folder / "log.csv").read_text().count("\n") == 3


@pytest.mark.parametrize("lost", ["weights.safetensors", "log.csv"])
def test_a_run_that_was_killed_before_its_last_results_still_writes_them(
    data: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: Any, lost: str
) -> None:
    whole = train(data)
    expected = load(whole / "weights.safetensors")[1].training["step"]
    shutil.rmtree(whole)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if lost == "log.csv":
            patch.setattr("laa_cli.train.recorder.append_row", killed)
        else:
            patch.setattr(Recorder, "record", killed)
        with pytest.raises(KeyboardInterrupt):
            train(data)
    assert not (whole / lost).exists()
    capsys.readouterr()
    train(data, resume=True)
    assert load(whole / "weights.safetensors")[1].training["step"] == expected
    assert (whole / "log.csv").read_text().count("\n") == 2
    assert "nan" not in capsys.readouterr().out


def test_nothing_to_resume_from_makes_no_folder(data: tuple[Path, Path]) -> None:
    folder = data[0].parent / "run"
    with pytest.raises(
        LaaError, match=r"cannot resume from .*run/state\.safetensors: there is no such file: name the --output"
    ):
        train(data, resume=True)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nope", "--validation", "v"), "cannot read nope: there is no such file or folder"),
        (("t", "nope", "--validation", "v"), "cannot read nope: there is no such file or folder"),
        (("t", "--validation", "nope"), "cannot read nope: there is no such file or folder"),
        (("t", "--validation", "v", "--init-from", "nope"), "cannot read the weights nope: No such file or directory"),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in "tv":
        (tmp_path / name).mkdir()
    assert laa(monkeypatch, "train", *arguments, "--output", "run", "--faces", "2") == (1 if "weights" in message else 2)
    assert one_line(capsys) == f"error: {message}\n"
    assert not (tmp_path / "run").exists()


def test_what_holds_no_faces_is_named(tmp_path: Path, data: tuple[Path, Path]) -> None:
    for name, content, message in (
        ("notes.txt", b"no tar file", r"cannot read faces from .*notes\.txt: .*: give a folder or a whole tar file of faces"),
        ("empty.tar", bytes(10240), r"no pictures in .*empty\.tar: expected a folder or tar of 144x144 faces"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(LaaError, match=message):
            train((tmp_path / name, data[1]))
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(LaaError, match=r"the face .*000\.png is 128x128, not 144x144"):
        train((data[1], data[1]))
