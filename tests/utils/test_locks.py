"""Locks: one holder at a time, also between processes and without fcntl, and a message for the other."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import ROOT

from laa_cli.errors import LaaError
from laa_cli.utils.locks import LOCK, locked

HOLD = "import sys\nfrom pathlib import Path\nfrom laa_cli.utils.locks import locked\nwith locked(Path(sys.argv[1]), 'busy'):"


class FakeMsvcrt:
    """Windows' locks: a byte of a file can be locked once, and closing the file is all that ends the lock."""

    LK_NBLCK = 2

    def __init__(self) -> None:
        self.holders: dict[int, int] = {}  # inode -> handle

    def locking(self, handle: int, mode: int, count: int) -> None:
        assert (mode, count) == (self.LK_NBLCK, 1)
        assert os.lseek(handle, 0, os.SEEK_CUR) > 1 << 30  # a locked byte cannot be read
        inode = os.fstat(handle).st_ino
        holder = self.holders.get(inode, handle)
        if holder != handle and is_open(holder, inode):  # one with the new file's number has been closed
            raise PermissionError(errno.EACCES, "Permission denied")
        self.holders[inode] = handle


def is_open(handle: int, inode: int) -> bool:
    try:
        return os.fstat(handle).st_ino == inode
    except OSError:
        return False


def without_fcntl(monkeypatch: pytest.MonkeyPatch, msvcrt: Any) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)


@contextmanager
def busy(folder: Path) -> Iterator[None]:
    """Expects the message of a folder that another run has locked."""
    with pytest.raises(LaaError) as error:
        yield
    assert str(error.value) == f"{folder} is busy"


@pytest.mark.parametrize("system", ["posix", "windows"])
def test_a_folder_is_locked_once_and_free_again_afterwards(
    tmp_path: Path, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if system == "windows":
        without_fcntl(monkeypatch, FakeMsvcrt())
    folder = tmp_path / "deep" / "out"
    for _ in range(2):
        with locked(folder, "mine"):
            assert [path.name for path in folder.iterdir()] == [LOCK]
            with busy(folder), locked(folder, f"{folder} is busy"):
                pass
            with busy(folder), locked(folder, f"{folder} is busy"):  # the refused one has not taken it away
                pass


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    code = f"{HOLD}\n    print('held', flush=True)\n    sys.stdin.read()"
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with busy(tmp_path), locked(tmp_path, f"{tmp_path} is busy"):
            pass
        process.kill()
    with locked(tmp_path, "mine"):
        pass


def test_a_system_without_locks_goes_on_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_fcntl(monkeypatch, None)
    with locked(tmp_path, "mine"), locked(tmp_path, "other"):
        pass


def test_laa_batch_starts_without_fcntl() -> None:
    code = "import sys\nsys.modules['fcntl'] = None\nimport laa_cli.batch.run, laa_cli.prepare.run\nprint('started')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (result.stdout, result.returncode) == ("started\n", 0), result.stderr


def test_a_folder_that_cannot_be_locked_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(LaaError, match=r"cannot write to .*file: File exists: choose another folder"),
        locked(tmp_path / "file", "mine"),
    ):
        pass

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    module = SimpleNamespace(flock=refuse, LOCK_EX=fcntl.LOCK_EX, LOCK_NB=fcntl.LOCK_NB)
    monkeypatch.setitem(sys.modules, "fcntl", module)  # type: ignore[arg-type]
    with pytest.raises(LaaError, match=r"cannot write to .*: No locks available: choose another folder"), locked(tmp_path, ""):
        pass


def test_a_lock_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    os.symlink(tmp_path / "elsewhere", tmp_path / LOCK)
    with pytest.raises(LaaError, match=r"cannot write to .*: .*: remove that link"), locked(tmp_path, "mine"):
        pass
    assert os.listdir(tmp_path) == [LOCK]


def test_an_error_of_the_run_itself_passes_through(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="mine"), locked(tmp_path, "busy"):
        raise OSError("mine")
    with locked(tmp_path, "busy"):
        pass
