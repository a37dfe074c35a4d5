"""Partial files: what is being written, under a temporary name in its own folder, and what killed runs have left of that.

Who writes a partial file holds its lock (flock), which the system releases when the process ends, however it ends. So one that
nobody has locked is left over. On file systems without locks they stay. Windows itself keeps open files from being removed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from .folders import OpenFolder, identity_of
from .inputs import NO_INPUTS, Inputs
from .locks import try_lock

PREFIX = ".laa-"  # of their names
SUFFIX = ".part"
ATTEMPTS = 100  # to make one before another run takes it for left over
REMOVES_OPEN_FILES = os.name != "nt"  # and renames them
PRESENT: set[Path] = set()  # of this process: being written, or left when Ctrl-C came between two steps of removing one


class PartialFile:
    """A new file with a temporary name, in a `with` block at whose end it is gone unless it was published. Raises OSError."""

    def __init__(self, folder: OpenFolder) -> None:
        self.folder = folder
        self.name = ""
        self.path = folder.path
        self.handle = -1

    def __enter__(self) -> PartialFile:
        for _ in range(ATTEMPTS):
            self.name = f"{PREFIX}{os.urandom(8).hex()}{SUFFIX}"
            self.path = self.folder.path / self.name
            PRESENT.add(self.path)
            self.handle = self.folder.open(self.name, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            if self.claim():
                return self
            self.discard()
        raise BlockingIOError(errno.EAGAIN, "somebody else removes temporary files")

    def claim(self) -> bool:
        """Locks the file. False where another run took it for left over before that."""
        if REMOVES_OPEN_FILES:
            with suppress(OSError):  # a file system without locks
                if not try_lock(self.handle):
                    return False
        return self.folder.status(self.name) is not None

    def write(self, chunks: Iterable[bytes | memoryview]) -> os.stat_result:
        """Writes the content to the disk, and returns the file's status."""
        with open(self.handle, "wb", closefd=False) as file:
            file.writelines(chunks)
        os.fsync(self.handle)
        return os.fstat(self.handle)

    def publish(self, name: str, *, overwrite: bool) -> None:
        """Gives the file its name. FileExistsError without `overwrite` where there is one, even one that appeared meanwhile."""
        if not REMOVES_OPEN_FILES:
            self.close()
        if overwrite:
            self.folder.replace(self.name, name)
            return
        try:
            self.folder.link(self.name, name)
        except FileExistsError:
            raise
        except OSError as error:  # a file system without hard links
            if self.folder.status(name, follow=False) is not None:
                raise FileExistsError from error
            self.folder.replace(self.name, name)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.discard()

    def discard(self) -> None:
        """Removes the temporary name, if it is there, then the lock."""
        if not REMOVES_OPEN_FILES:
            self.close()
        with suppress(OSError):
            self.folder.unlink(self.name)
        self.close()
        PRESENT.discard(self.path)

    def close(self) -> None:
        """Closes the file. May be called twice."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1


def remove_present_files() -> None:
    """Removes what an interrupted run of this process has left, at its end."""
    for path in tuple(PRESENT):
        with suppress(OSError):
            path.unlink()


def remove_partial_files(folder: Path, inputs: Inputs = NO_INPUTS, *, deep: bool = False) -> None:
    """Removes what killed runs have left in a folder; `deep`: and below it, without following links. Never fails."""
    for parent, folders, names in os.walk(folder):
        if not deep:
            folders.clear()
        if partial := [name for name in names if name.startswith(PREFIX) and name.endswith(SUFFIX)]:
            with suppress(OSError), OpenFolder(Path(parent)) as opened:
                for name in partial:
                    remove_if_left(opened, name, inputs)


def remove_if_left(folder: OpenFolder, name: str, inputs: Inputs) -> None:
    """Removes a partial file, unless it is being written, is an input, or cannot be removed."""
    with suppress(OSError):
        handle = folder.open(name, os.O_RDWR)
        try:
            status = os.fstat(handle)
            left = stat.S_ISREG(status.st_mode) and identity_of(status) not in inputs.files
            if left and REMOVES_OPEN_FILES and try_lock(handle):
                folder.unlink(name)
        finally:
            os.close(handle)
        if left and not REMOVES_OPEN_FILES:
            folder.unlink(name)
