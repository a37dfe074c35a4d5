"""Partial files: what a killed run leaves is removed, what another run is writing is not."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fakes import ROOT

from laa_cli.utils import partial
from laa_cli.utils.atomic import write_atomically
from laa_cli.utils.folders import OpenFolder
from laa_cli.utils.inputs import NO_INPUTS, Inputs
from laa_cli.utils.partial import PartialFile, remove_partial_files

WRITING = """
import sys
from pathlib import Path
from laa_cli.utils.atomic import write_atomically
from laa_cli.utils.inputs import NO_INPUTS

def chunks():
    yield b"one"
    print("writing", flush=True)
    sys.stdin.readline()
    yield b"two"

write_atomically(Path(sys.argv[1]), chunks(), inputs=NO_INPUTS, overwrite=False)
"""


def writer(path: Path) -> subprocess.Popen[bytes]:
    """Another process, in the middle of writing a file."""
    command = [sys.executable, "-c", WRITING, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    return process


def test_what_another_run_is_writing_stays_and_what_a_killed_one_left_goes(tmp_path: Path) -> None:
    with writer(tmp_path / "file") as process:
        [name] = os.listdir(tmp_path)
        assert name.startswith(".laa-")
        remove_partial_files(tmp_path)
        assert os.listdir(tmp_path) == [name]
        process.communicate(b"\n", timeout=60)
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"onetwo"
    with writer(tmp_path / "other") as process:
        process.kill()
    assert len(os.listdir(tmp_path)) == 2
    remove_partial_files(tmp_path)
    assert os.listdir(tmp_path) == ["file"]


def test_only_temporary_files_are_removed_and_no_link_is_followed(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    (out / "deep").mkdir(parents=True)
    elsewhere.mkdir()
    for name in ("out/.laa-1.part", "out/deep/.laa-2.part", "out/deep/photo.part", "out/.laa", "elsewhere/.laa-3.part"):
        (tmp_path / name).touch()
    (out / ".laa-folder.part").mkdir()
    os.mkfifo(out / ".laa-pipe.part")
    os.symlink(elsewhere, out / "link")
    os.symlink(elsewhere / ".laa-3.part", out / ".laa-link.part")
    left = {".laa", "deep", "link", ".laa-folder.part", ".laa-pipe.part", ".laa-link.part"}
    remove_partial_files(out)
    assert set(os.listdir(out)) == left
    assert set(os.listdir(out / "deep")) == {".laa-2.part", "photo.part"}
    remove_partial_files(out, deep=True)
    assert set(os.listdir(out)) == left
    assert os.listdir(out / "deep") == ["photo.part"]
    assert os.listdir(elsewhere) == [".laa-3.part"]
    remove_partial_files(tmp_path / "gone")


def test_an_input_with_such_a_name_stays(tmp_path: Path) -> None:
    photo = tmp_path / ".laa-photo.part"
    photo.write_bytes(b"precious")
    remove_partial_files(tmp_path, Inputs.of([photo]))
    assert photo.read_bytes() == b"precious"
    remove_partial_files(tmp_path)
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_removed_stays_without_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    (tmp_path / ".laa-1.part").touch()

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "unlink", refuse)
    remove_partial_files(tmp_path)
    assert os.listdir(tmp_path) == [".laa-1.part"]
    assert capfd.readouterr() == ("", "")


def test_a_file_system_without_locks_is_written_to_and_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    (tmp_path / ".laa-1.part").touch()
    monkeypatch.setattr(fcntl, "flock", no_locks)
    write_atomically(tmp_path / "file", b"content", inputs=NO_INPUTS, overwrite=False)
    remove_partial_files(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".laa-1.part", "file"]


def test_a_file_that_another_run_removes_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run looks between the making of the file and its lock; the lock it holds then, or the name it has removed."""
    flock, calls = fcntl.flock, []

    def meddled(handle: int, kind: int) -> None:
        calls.append(handle)
        if len(calls) == 1:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        if len(calls) == 2:
            [name] = os.listdir(tmp_path)
            os.unlink(tmp_path / name)
        flock(handle, kind)

    monkeypatch.setattr(fcntl, "flock", meddled)
    with OpenFolder(tmp_path) as folder, PartialFile(folder) as file:
        file.write([b"content"])
        file.publish("file", overwrite=False)
    assert len(calls) == 3
    assert (tmp_path / "file").read_bytes() == b"content"
    assert os.listdir(tmp_path) == ["file"]


def test_where_open_files_cannot_be_renamed_they_are_closed_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, which refuses to remove what is open in any process."""
    monkeypatch.setattr(partial, "REMOVES_OPEN_FILES", False)
    (tmp_path / ".laa-1.part").touch()
    remove_partial_files(tmp_path)
    assert os.listdir(tmp_path) == []
    for overwrite in (False, True):
        with OpenFolder(tmp_path) as folder, PartialFile(folder) as file:
            file.write([b"content"])
            file.publish("file", overwrite=overwrite)
            assert file.handle == -1
    with OpenFolder(tmp_path) as folder, PartialFile(folder) as file:
        file.write([b"other"])
    assert os.listdir(tmp_path) == ["file"]
