"""Walks folders: what cannot be read on the way is kept by name, and the rest is found all the same."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from errno import ELOOP
from pathlib import Path


class FolderWalk:
    """The files below a folder that are not hidden, a folder's own by name, then those of the folders in it.

    Links to folders are not followed, and the folder `excluded`, a resolved path, is passed over. `unreadable`: the folders
    that could not be read, and links that lead nowhere but to themselves, with the system's reasons.
    """

    def __init__(self, folder: Path, excluded: Path, unreadable: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.excluded = excluded
        self.unreadable: dict[str, str] = {} if unreadable is None else unreadable

    def __iter__(self) -> Iterator[Path]:
        return (self.folder / name for name in self.names())

    def names(self) -> Iterator[str]:
        """Yields the files' names relative to the folder, with slashes: a fifth of the time that paths take."""
        for place, folders, files in os.walk(self.folder, onerror=lambda error: self.note(error.filename, error)):
            folders[:] = sorted(name for name in folders if name[0] != "." and not self.is_excluded(place, name))
            inner = os.path.relpath(place, self.folder).replace(os.sep, "/")
            before = "" if inner == "." else f"{inner}/"
            yield from (before + name for name in sorted(files) if name[0] != ".")

    def is_excluded(self, place: str, name: str) -> bool:
        """Whether it is the folder that is passed over."""
        return name == self.excluded.name and os.path.realpath(os.path.join(place, name)) == str(self.excluded)

    def is_file(self, path: str | Path) -> bool:
        """Whether it is a file, also by a link. Where the system does not tell, its folder is `unreadable`."""
        try:
            return stat.S_ISREG(os.stat(path).st_mode)
        except (FileNotFoundError, NotADirectoryError):  # a link that leads nowhere, or a file that has gone since
            return False
        except OSError as error:
            self.note(path if error.errno == ELOOP else Path(path).parent, error)
            return False

    def note(self, path: object, error: OSError) -> None:
        """Keeps why something could not be read."""
        self.unreadable[str(path)] = error.strerror or str(error)


def unreadable_message(path: str, reason: str) -> str:
    """Says that a folder could not be read, and what to do."""
    return f"cannot read {path}: {reason}: check that it is there and that you may read it"
