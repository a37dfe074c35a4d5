"""Writing files so that none is ever half there, and none is lost."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import FileError, LaaError

PREFIX, SUFFIX = ".laa-", ".part"  # of the names of unfinished files


def already_exists(path: Path) -> LaaError:
    """The error for an output that is there already."""
    return LaaError(f"{path} exists already: choose another place, or allow it with --overwrite")


def write_atomically(
    path: Path,
    content: bytes | memoryview | Iterator[bytes],
    *,
    overwrite: bool,
    ready: Callable[[os.stat_result], None] | None = None,
) -> None:
    """Writes a file whole or not at all: a temporary neighbour, then a rename. Makes its folder; LaaError where it cannot.

    `content` may come in pieces, for what is larger than memory. `ready` is called with the file's status when the content
    is on disk and only the name is missing; what it raises ends the matter.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=PREFIX, suffix=SUFFIX, dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.writelines(content if isinstance(content, Iterator) else [content])
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~current_umask())
        if not overwrite and os.path.lexists(path):
            raise already_exists(path)
        if ready is not None:
            ready(os.stat(temporary))
        if overwrite:
            os.replace(temporary, path)
        else:
            publish(temporary, path)
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}: make room or choose another place", error) from error
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


def publish(temporary: str, path: Path) -> None:
    """Gives a finished file its name unless the name is taken, even by a file that appeared meanwhile."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise already_exists(path) from None
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise already_exists(path) from None
        os.replace(temporary, path)


def current_umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def check_writable(path: Path, *, overwrite: bool) -> None:
    """Raises LaaError where a file could not be written: for what is made by long work. Makes the file's folder."""
    if path.is_dir():
        raise LaaError(f"{path} is a folder: name a file")
    if os.path.lexists(path) and not overwrite:
        raise already_exists(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except FileExistsError:
        raise LaaError(f"cannot write {path}: {path.parent} is no folder: choose another place") from None
    except OSError as error:
        raise LaaError(f"cannot write {path}: {error.strerror or error}: choose another place") from error


def remove_partial_files(folder: Path) -> None:
    """Removes what killed runs left half-written anywhere in a folder that is laa's own. LaaError where that is not allowed."""
    for path in folder.rglob(f"{PREFIX}*{SUFFIX}"):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise LaaError(f"cannot remove {path}: {error.strerror or error}: remove it, or choose another folder") from error
