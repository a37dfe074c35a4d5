"""Folders held open while files in them are made and renamed: a link in a folder's place meanwhile redirects nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

Identity = tuple[int, int]  # device and inode of a file or folder

BY_HANDLE = {os.open, os.stat, os.link, os.rename, os.unlink} <= os.supports_dir_fd
OPEN_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)  # an open file is never what a link with its name leads to


def identity_of(status: os.stat_result) -> Identity:
    """Returns the identity of a file or folder."""
    return status.st_dev, status.st_ino


class OpenFolder:
    """A folder held by a descriptor; by its path on platforms without functions for that. Methods raise OSError.

    `name`: of a file in the folder, without slashes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.handle = os.open(path, OPEN_FOLDER) if BY_HANDLE else None

    def __enter__(self) -> OpenFolder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.handle is not None:
            os.close(self.handle)

    def status(self, name: str, *, follow: bool = True) -> os.stat_result | None:
        """Looks at what a name stands for; None where there is nothing, or a link that leads nowhere."""
        place, options = self.locate(name)
        try:
            return os.stat(place, follow_symlinks=follow, **options)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:  # a link to itself
                return None
            raise

    def open(self, name: str, flags: int) -> int:
        """Opens a file, but no link; what `flags` make has the permissions that the umask leaves."""
        place, options = self.locate(name)
        flags |= NO_FOLLOW | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
        return os.open(place, flags, 0o666, **options)

    def link(self, name: str, other: str) -> None:
        """Gives a file a second name. FileExistsError where there is something."""
        os.link(self.locate(name)[0], self.locate(other)[0], **self.both())

    def replace(self, name: str, other: str) -> None:
        """Renames a file, over what has the other name."""
        os.replace(self.locate(name)[0], self.locate(other)[0], **self.both())

    def unlink(self, name: str) -> None:
        """Removes a name."""
        place, options = self.locate(name)
        os.unlink(place, **options)

    def locate(self, name: str) -> tuple[str, dict[str, Any]]:
        """What the functions of `os` take for a file in the folder."""
        return (os.path.join(self.path, name), {}) if self.handle is None else (name, {"dir_fd": self.handle})

    def both(self) -> dict[str, Any]:
        """What the functions of `os` take for two of them, beside their names."""
        return {} if self.handle is None else {"src_dir_fd": self.handle, "dst_dir_fd": self.handle}

    def lineage(self) -> Iterator[Identity]:
        """Yields the identity of the folder, of the one it is in, and so on up to the root."""
        if self.handle is None:
            path = self.path.resolve()
            yield from (identity_of(os.stat(folder)) for folder in (path, *path.parents))
            return
        handle = os.dup(self.handle)
        try:
            below = None
            while (identity := identity_of(os.fstat(handle))) != below:
                yield identity
                below, child = identity, handle
                handle = os.open("..", OPEN_FOLDER, dir_fd=child)
                os.close(child)
        finally:
            os.close(handle)
