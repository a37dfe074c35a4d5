"""Compressed tar files can only be read from their beginning: a run works on copies of them that are unpacked."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from ..errors import LaaError
from ..utils.atomic import remove_partial_files, write_atomically
from ..utils.tar import open_decompressed
from .sources import DAMAGED, PhotoSource, damaged_error

CHUNK_BYTES = 1 << 20


def unpack(photos: list[PhotoSource], folder: Path, say: Callable[[str], None]) -> list[PhotoSource]:
    """The same photos, those of compressed tar files in copies in `folder`, which an earlier run may have made.

    A copy is there whole or not at all. `say` hears what takes time. Raises LaaError, also where there is no room.
    """
    ends: dict[Path, int] = {}  # how much of each archive is needed
    for photo in photos:
        if photo.packed:
            ends[photo.path] = max(ends.get(photo.path, 0), photo.offset + (photo.size or 0))
    if not ends:
        return photos
    copies = {archive: folder / name_of(archive, end) for archive, end in ends.items()}
    missing = {archive: end for archive, end in ends.items() if not copies[archive].exists()}
    make_room(folder, sum(missing.values()))
    for archive, end in missing.items():
        say(f"unpacking {archive}: {end / 1e6:.0f} MB")
        write_atomically(copies[archive], beginning(archive, end), overwrite=True)
    return [replace(photo, path=copies[photo.path], packed=False) if photo.packed else photo for photo in photos]


def name_of(archive: Path, end: int) -> str:
    """What the copy of an archive's first `end` bytes is called: an archive that was changed gets another."""
    try:
        status = archive.stat()
    except OSError as error:
        raise damaged_error(archive, error) from error
    key = f"{os.path.realpath(archive)} {status.st_size} {status.st_mtime_ns} {end}"
    return f"{hashlib.sha256(os.fsencode(key)).hexdigest()[:32]}.tar"


def make_room(folder: Path, needed: int) -> None:
    """Makes the folder, empties it of what a killed run left half-written, and refuses what the disk cannot hold."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_partial_files(folder)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise LaaError(f"cannot write to {folder}: {error.strerror}: choose another place") from error
    if needed > free:
        said = f"cannot unpack to {folder}: it takes {needed / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free"
        raise LaaError(f"{said}: make room, and repeat the command to go on")


def beginning(archive: Path, end: int) -> Iterator[bytes]:
    """The first `end` bytes of what an archive unpacks to."""
    try:
        with open_decompressed(archive)[0] as file:
            while chunk := file.read(min(CHUNK_BYTES, end)):
                end -= len(chunk)
                yield chunk
    except DAMAGED as error:
        raise damaged_error(archive, error) from error
