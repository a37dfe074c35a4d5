"""Decompresses tar files into temporary copies, for random access: compressed ones can only be read from their beginning."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from ..errors import LaaError, explain_os_error
from ..utils.atomic import write_atomically
from ..utils.inputs import NO_INPUTS
from ..utils.partial import remove_partial_files
from ..utils.tar import open_decompressed
from .photo_source import ARCHIVE_ERRORS, PhotoSource, damaged_error

CHUNK_BYTES = 1 << 20


def unpack(photos: list[PhotoSource], folder: Path, say: Callable[[str], None]) -> list[PhotoSource]:
    """Returns the same photos, those of compressed tar files in copies in `folder`, which an earlier run may have made.

    A copy is there whole or not at all. `say` is called with what takes time. Raises LaaError, also where there is no room.
    """
    ends: dict[Path, int] = {}  # how many bytes of each decompressed archive are needed
    for photo in photos:
        if photo.compressed:
            ends[photo.path] = max(ends.get(photo.path, 0), photo.offset + (photo.size or 0))
    if not ends:
        return photos
    copies = {archive: folder / name_copy(archive, end) for archive, end in ends.items()}
    missing = {archive: end for archive, end in ends.items() if not copies[archive].exists()}
    make_room(folder, sum(missing.values()))
    for archive, end in missing.items():
        say(f"unpacking {archive}: {end / 1e6:.0f} MB")
        write_atomically(copies[archive], decompress(archive, end), inputs=NO_INPUTS, overwrite=False)
    return [replace(photo, path=copies[photo.path], compressed=False) if photo.compressed else photo for photo in photos]


def name_copy(archive: Path, end: int) -> str:
    """Names the copy of an archive's first `end` bytes by a hash: an archive that was changed gets another."""
    try:
        status = archive.stat()
    except OSError as error:
        raise damaged_error(archive, error) from error
    key = f"{os.path.realpath(archive)} {status.st_size} {status.st_mtime_ns} {end}"
    return f"{hashlib.sha256(os.fsencode(key)).hexdigest()[:32]}.tar"


def make_room(folder: Path, needed_bytes: int) -> None:
    """Makes the folder and removes the partial files of a killed run. LaaError where the disk lacks the space."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_partial_files(folder)
        free_bytes = shutil.disk_usage(folder).free
    except OSError as error:
        raise LaaError(f"cannot write to {folder}: {explain_os_error(error)}") from error
    if needed_bytes > free_bytes:
        reason = f"cannot unpack to {folder}: it takes {needed_bytes / 1e6:.0f} MB, and {free_bytes / 1e6:.0f} MB are free"
        raise LaaError(f"{reason}: make room, and repeat the command to go on")


def decompress(archive: Path, end: int) -> Iterator[bytes]:
    """Yields the first `end` bytes of what an archive decompresses to, in chunks. Raises LaaError where it is damaged."""
    left = end
    try:
        with open_decompressed(archive)[0] as file:
            while chunk := file.read(min(CHUNK_BYTES, left)):
                left -= len(chunk)
                yield chunk
    except ARCHIVE_ERRORS as error:
        raise damaged_error(archive, error) from error
