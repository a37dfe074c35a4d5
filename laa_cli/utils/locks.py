"""Advisory file locks that the system releases when a process ends, however it ends: one run at a time in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import LaaError, explain_os_error
from .folders import NO_FOLLOW

LOCK = ".laa.lock"
LOCKED_BYTE = 2**31 - 2  # of a file on Windows: far behind any content, for locked bytes cannot be read there


@contextmanager
def locked(folder: Path, message: str) -> Iterator[int]:
    """Makes the folder and holds its lock file, whose handle it yields. LaaError, with `message` where another run holds it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | NO_FOLLOW, 0o666)
    except OSError as error:
        raise unwritable_error(folder, error) from error
    try:
        try:
            lock_file(handle, message)
        except OSError as error:
            raise unwritable_error(folder, error) from error
        yield handle
    finally:
        os.close(handle)


def write_locked(handle: int, folder: Path, content: bytes) -> None:
    """Writes into a folder's lock file, instead of what it held. LaaError."""
    try:
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, content)
        os.fsync(handle)
    except OSError as error:
        raise unwritable_error(folder, error) from error


def unwritable_error(folder: Path, error: OSError) -> LaaError:
    """Makes the error for a folder in which no lock can be had."""
    return LaaError(f"cannot write to {folder}: {explain_os_error(error, 'choose another folder')}")


def lock_file(handle: int, message: str) -> None:
    """Locks an open file as `try_lock` does; LaaError with `message` where it is locked already."""
    if not try_lock(handle):
        raise LaaError(message)


def try_lock(handle: int) -> bool:
    """Locks an open file until it is closed, without waiting: by flock, on Windows by msvcrt.locking, elsewhere not at all.

    False where the file is locked already; OSError where its file system has no locks.
    """
    try:
        import fcntl
    except ImportError:
        return try_lock_on_windows(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def try_lock_on_windows(handle: int) -> bool:
    """Locks one byte of an open file by msvcrt, where the system has it. Moves the file's position."""
    try:
        import msvcrt
    except ImportError:  # neither POSIX nor Windows
        return True
    os.lseek(handle, LOCKED_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except PermissionError:
        return False
    return True
