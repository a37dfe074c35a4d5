"""One run at a time in a folder of results."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import LaaError

LOCK = ".laa.lock"


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Makes the folder and holds its lock, which the system releases even when laa is killed. LaaError where another has it."""
    handle = acquired(out)
    try:
        yield
    finally:
        os.close(handle)


def acquired(out: Path) -> int:
    """The open lock file, locked."""
    handle = -1
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = os.open(out / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if handle >= 0:
            os.close(handle)
        if isinstance(error, BlockingIOError):
            raise LaaError(f"another `laa batch` is writing to {out}: wait until it ends, or choose another folder") from error
        raise LaaError(f"cannot write to {out}: {error.strerror or error}: choose another folder") from error
    return handle
