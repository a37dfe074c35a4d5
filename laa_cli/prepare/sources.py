"""Finds the photos in files, folders and archives, always in the same order, and reads their bytes from any thread."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import Exit, LaaError
from ..utils.walk import FolderWalk
from .archives import ARCHIVE_SUFFIXES, PHOTO_SUFFIXES, ZipCache, is_archive, photos_in_archive
from .photo_source import PhotoSource, UnusableSource


def find_photos(inputs: list[Path], excluded: Path, unreadable: dict[str, str] | None = None) -> list[PhotoSource]:
    """Finds all photos of files, folders (walked) and archives, each file once, but none in the folder `excluded`.

    What cannot be used is among them, as `UnusableSource`; folders that cannot be read are put into `unreadable`, with the
    reason. Raises LaaError where an input is missing, or there is nothing else.
    """
    unreadable = {} if unreadable is None else unreadable
    zips = ZipCache()
    photos: dict[tuple[str, int], PhotoSource] = {}
    for path in inputs:
        try:
            os.stat(path)
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            reason = "there is no such file or folder" if missing else error.strerror
            raise LaaError(f"cannot read {path}: {reason}", Exit.USAGE if missing else Exit.FAILED) from error
        for file in walk_files(path, excluded.resolve(), unreadable) if path.is_dir() else [path]:
            real = os.path.realpath(file)
            for source in photos_in_archive(file, zips) if is_archive(file) else [PhotoSource(file.as_posix(), file)]:
                photos.setdefault((real, source.offset), source)
    unusable = [source for source in photos.values() if isinstance(source, UnusableSource)]
    if unusable and len(unusable) == len(photos):
        others = f" (and {len(unusable) - 1} others)" if len(unusable) > 1 else ""
        raise LaaError(f"cannot read {unusable[0].name}: {unusable[0].reason}{others}")
    if not photos:
        suffixes = ", ".join([*sorted(PHOTO_SUFFIXES), *ARCHIVE_SUFFIXES])
        raise LaaError(f"no photos in {', '.join(map(str, inputs))}: expected {suffixes}")
    return list({source.name: source for source in photos.values()}.values())  # an archive can hold a name twice


def walk_files(folder: Path, excluded: Path, unreadable: dict[str, str]) -> Iterator[Path]:
    """Yields the photos and archives below a folder by name, without hidden ones and without following links to folders."""
    walk = FolderWalk(folder, excluded, unreadable)
    yield from (path for path in walk if (path.suffix.lower() in PHOTO_SUFFIXES or is_archive(path)) and walk.is_file(path))
