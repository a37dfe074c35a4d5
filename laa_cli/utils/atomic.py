"""Atomic writes: a temporary file in the same folder, flushed to disk, then a rename. No file is ever half there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import LaaError

PREFIX = ".laa-"  # of temporary files' names
SUFFIX = ".part"


def already_exists(path: Path) -> LaaError:
    """Builds the error for an output that exists."""
    return LaaError(f"{path} exists already: choose another place, or allow it with --overwrite")


def write_atomically(
    path: Path,
    content: bytes | memoryview | Iterator[bytes],
    *,
    overwrite: bool,
    ready: Callable[[os.stat_result], None] | None = None,
) -> None:
    """Writes a file atomically: whole or not at all. Makes its folder. Raises LaaError where it cannot.

    `content` may come in chunks, for what is larger than memory. `ready` is called before the rename, when the content is on
    disk, with the temporary file's status; if it raises, nothing is written.
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
        raise LaaError(f"cannot write {path}: {error.strerror or error}: make room or choose another place") from error
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


def publish(temporary: str, path: Path) -> None:
    """Renames a finished temporary file without overwriting, by a hard link: not even a file that appeared meanwhile."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise already_exists(path) from None
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise already_exists(path) from None
        os.replace(temporary, path)


def current_umask() -> int:
    """Returns the process's umask, which can only be read by setting it."""
    umask = os.umask(0)
    os.umask(umask)
    return umask


def check_writable(path: Path, *, overwrite: bool) -> None:
    """Raises LaaError where a file could not be written, before long work for it. Makes its folder."""
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
    """Removes the temporary files of killed runs, at any depth, from a folder that is laa's own. LaaError where it cannot."""
    for path in folder.rglob(f"{PREFIX}*{SUFFIX}"):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise LaaError(f"cannot remove {path}: {error.strerror or error}: remove it, or choose another folder") from error
