"""Storages: folders of files by name, on this machine or elsewhere, behind one contract."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

from ..errors import FileError, explain_os_error
from .atomic import check_target, write_atomically
from .inputs import NO_INPUTS, Inputs


class FileStatus(NamedTuple):
    """A file's size in bytes, and the time of its last change in ns; None where the storage does not tell."""

    size: int
    mtime_ns: int | None


class Storage(Protocol):
    """A folder and all below it. `name`: of a file in it, relative, with slashes. Any thread may call; it may be pickled.

    Listing and reading raise OSError, whatever lies below; checking, writing and removing LaaError, which says what to do.
    """

    place: str  # what messages call the folder: a path or a URL, without a slash at its end

    def locate(self, name: str) -> str:
        """Says what messages call a file."""

    def local_path(self, name: str) -> Path | None:
        """Returns where a file lies on this machine; None where it lies elsewhere."""

    def files(self, folder: str = "", unreadable: dict[str, str] | None = None) -> Iterator[tuple[str, FileStatus]]:
        """Lists all files below a folder of it, hidden ones, too, in any order; none where the folder is not there.

        Never from a cache. `unreadable` gets what could not be read on the way, as messages call it, with the reason: folders,
        and in object stores files whose names lead nowhere, such as a//b and ../b.
        """

    def status(self, name: str) -> FileStatus | None:
        """Looks at a file; None where there is none."""

    def read(self, name: str, limit_bytes: int | None = None) -> bytes:
        """Reads a file, or what it begins with."""

    def read_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Reads small files, some dozens at a time where they come over a network; yields them in the order of the names."""

    def check_target(self, name: str, *, overwrite: bool) -> None:
        """Checks that a file may be written; without `overwrite` also that there is none yet."""

    def write(self, name: str, content: bytes, *, overwrite: bool, ready: Callable[[FileStatus], None] | None = None) -> None:
        """Writes a file, whole or not at all, and the folders it lies in.

        `ready` gets its status: where files are renamed when they are on disk, right before that, and what it raises keeps the
        file from its name; elsewhere when it is written.
        """

    def remove(self, name: str) -> None:
        """Removes a file, if it is there."""

    def remove_many(self, names: Iterable[str]) -> None:
        """Removes files, if they are there."""


class LocalStorage:
    """A folder on this machine. Nothing that is written takes the place of one of `inputs`."""

    def __init__(self, folder: Path, inputs: Inputs = NO_INPUTS) -> None:
        self.folder = folder
        self.inputs = inputs
        self.place = str(folder)

    def locate(self, name: str) -> str:
        return str(self.folder / name)

    def local_path(self, name: str) -> Path:
        return self.folder / name

    def files(self, folder: str = "", unreadable: dict[str, str] | None = None) -> Iterator[tuple[str, FileStatus]]:
        """Lists files; a link to a folder is none, and leads nowhere, nor does a folder that lies behind one."""

        def note(error: OSError) -> None:
            if unreadable is not None and not isinstance(error, FileNotFoundError):
                unreadable[str(error.filename)] = error.strerror or str(error)

        below = PurePosixPath(folder)
        if any(os.path.islink(self.folder / part) for part in (below, *below.parents) if part.name):
            return
        start = str(self.folder / folder)
        for place, _, names in os.walk(start, onerror=note):
            inner = os.path.relpath(place, self.folder).replace(os.sep, "/")
            before = "" if inner == "." else f"{inner}/"
            for name in names:
                if (status := look(os.path.join(place, name))) is not None:
                    yield before + name, status

    def status(self, name: str) -> FileStatus | None:
        return look(os.path.join(self.folder, name))

    def read(self, name: str, limit_bytes: int | None = None) -> bytes:
        with (self.folder / name).open("rb") as file:
            return file.read(-1 if limit_bytes is None else limit_bytes)

    def read_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        return ((name, self.read(name)) for name in names)

    def check_target(self, name: str, *, overwrite: bool) -> None:
        check_target(self.folder / name, inputs=self.inputs, overwrite=overwrite)

    def write(self, name: str, content: bytes, *, overwrite: bool, ready: Callable[[FileStatus], None] | None = None) -> None:
        def tell(status: os.stat_result) -> None:
            if ready is not None:
                ready(FileStatus(status.st_size, status.st_mtime_ns))

        write_atomically(self.folder / name, content, inputs=self.inputs, overwrite=overwrite, ready=tell)

    def remove(self, name: str) -> None:
        path = self.folder / name
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise FileError(f"cannot remove {path}: {explain_os_error(error)}", error) from error

    def remove_many(self, names: Iterable[str]) -> None:
        for name in names:
            self.remove(name)


def look(path: str) -> FileStatus | None:
    """Looks at a file on this machine; None where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return FileStatus(status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None
