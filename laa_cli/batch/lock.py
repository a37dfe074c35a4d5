"""One run at a time in a folder of results, and what a killed one left there."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import LaaError
from ..files import PREFIX, SUFFIX

LOCK = ".laa.lock"


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Makes the folder and holds its lock, which the system releases even when laa is killed. LaaError where another has it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = os.open(out / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise LaaError(f"cannot write to {out}: {error.strerror or error}: choose another folder") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise LaaError(f"another `laa batch` is writing to {out}: wait until it is done, or choose another folder") from None
    finally:
        os.close(handle)


def remove_leftovers(out: Path) -> int:
    """Removes the unfinished files of a killed run, under the lock, and returns how many there were."""
    leftovers = [*out.rglob(f"{PREFIX}*{SUFFIX}")]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)
