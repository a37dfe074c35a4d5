"""Atomic writes: a partial file in the same folder, flushed to disk, then a rename. No file half there, no input replaced."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import FileError, LaaError, explain_os_error
from .folders import OpenFolder
from .inputs import Inputs
from .partial import PartialFile

SPECIAL = {stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
WRITTEN = threading.Event()  # set once this process has written a file


def already_exists(path: Path | str) -> LaaError:
    """Builds the error for an output that exists."""
    return LaaError(f"{path} exists already: choose another place, or allow it with --overwrite")


def unwritable(path: Path, error: Exception) -> FileError:
    """Builds the error for an output that the system would not write."""
    reason = explain_os_error(error) if isinstance(error, OSError) else f"{error}: choose another name"
    return FileError(f"cannot write {path}: {reason}", error)


def write_atomically(
    path: Path,
    content: bytes | memoryview | Iterator[bytes],
    *,
    inputs: Inputs,
    overwrite: bool,
    ready: Callable[[os.stat_result], None] | None = None,
) -> None:
    """Writes a file atomically: whole or not at all, never over one of `inputs`. Makes its folder. LaaError where it cannot.

    `content` may come in chunks, for what is larger than memory. `ready` is called before the rename, when the content is on
    disk, with the temporary file's status; if it raises, nothing is written.
    """
    check_target(path, inputs=inputs, overwrite=overwrite)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with OpenFolder(path.parent) as folder, PartialFile(folder) as file:
            status = file.write(content if isinstance(content, Iterator) else [content])
            inputs.check_folder(folder)  # again, for links made meanwhile
            check_name(folder, path, inputs, overwrite=overwrite)
            if ready is not None:
                ready(status)
            publish(file, path, overwrite=overwrite)
    except OSError as error:
        raise unwritable(path, error) from error
    WRITTEN.set()


def publish(file: PartialFile, path: Path, *, overwrite: bool) -> None:
    """Gives a finished file its name."""
    try:
        file.publish(path.name, overwrite=overwrite)
    except FileExistsError:
        raise already_exists(path) from None


# What can be checked before any work is done


def check_writable(path: Path, *, inputs: Inputs, overwrite: bool) -> None:
    """Raises LaaError where a file could not be written, before long work for it; tries it with another. Makes no folder."""
    check_target(path, inputs=inputs, overwrite=overwrite)
    try:
        with OpenFolder(nearest_folder(path)[0]) as folder, PartialFile(folder):
            pass
    except OSError as error:
        raise unwritable(path, error) from error


def check_target(path: Path, *, inputs: Inputs, overwrite: bool) -> None:
    """Raises LaaError where a file would replace an input, or something there without `overwrite`, or have no place or name."""
    try:
        if check_place(path, inputs):
            with OpenFolder(path.parent) as folder:
                check_name(folder, path, inputs, overwrite=overwrite)
    except (OSError, ValueError) as error:
        raise unwritable(path, error) from error


def check_place(path: Path, inputs: Inputs) -> bool:
    """Checks that a file's folder is there, or could be made, and is none of the inputs'. Returns whether it is there.

    OSError where a name is too long or the system refuses; LaaError for the rest.
    """
    existing, missing = nearest_folder(path)
    if not existing.is_dir():
        raise LaaError(f"cannot write {path}: {existing} is no folder: choose another place")
    with OpenFolder(existing) as folder:
        inputs.check_folder(folder)
        for name in missing:
            folder.status(name)  # for its errors
    return not missing


def nearest_folder(path: Path) -> tuple[Path, list[str]]:
    """Finds the nearest folder above a file that exists, and the names to make below it: none where only the file is new."""
    folder, missing = path.parent, [path.name]
    while not os.path.lexists(folder) and folder != folder.parent:
        missing.append(folder.name)
        folder = folder.parent
    return folder, missing if len(missing) > 1 else []


def check_name(folder: OpenFolder, path: Path, inputs: Inputs, *, overwrite: bool) -> None:
    """Raises LaaError where the name is that of a folder, of an input, or of anything else that may not be replaced."""
    status = folder.status(path.name)
    if status is not None:
        if stat.S_ISDIR(status.st_mode):
            raise LaaError(f"{path} is a folder: name a file")
        if kind := special_kind(status):
            raise LaaError(f"{path} is {kind}, not a file: name a file")
        inputs.check_file(status, path)
    if not overwrite and folder.status(path.name, follow=False) is not None:
        raise already_exists(path)


def special_kind(status: os.stat_result) -> str | None:
    """Names what is neither a file nor a folder, such as /dev/null; None for those."""
    return SPECIAL.get(stat.S_IFMT(status.st_mode))
