"""Which photos there are in files, folders and archives, always in the same order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import Exit, LaaError
from .archives import ARCHIVES, PHOTOS, is_archive, members
from .source import PhotoSource, ZipCache


def find_photos(inputs: list[Path], besides: Path) -> list[PhotoSource]:
    """All photos of files, folders (walked) and archives, each file once, but none in `besides`. Raises LaaError."""
    zips = ZipCache()
    photos: dict[tuple[str, int], PhotoSource] = {}
    for path in inputs:
        if not path.exists():
            raise LaaError(f"cannot read {path}: there is no such file or folder", Exit.USAGE)
        for file in walk_files(path, besides.resolve()) if path.is_dir() else [path]:
            real = os.path.realpath(file)
            for source in members(file, zips) if is_archive(file) else [PhotoSource(file.as_posix(), file)]:
                photos.setdefault((real, source.offset), source)
    if not photos:
        raise LaaError(f"no photos in {', '.join(map(str, inputs))}: expected {', '.join([*sorted(PHOTOS), *ARCHIVES])}")
    return list({source.name: source for source in photos.values()}.values())  # an archive can hold a name twice


def walk_files(folder: Path, besides: Path) -> Iterator[Path]:
    """The photos and archives below a folder, by name; hidden ones are left out, as are links to folders."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] != "." and (Path(place) / name).resolve() != besides)
        for name in sorted(files):
            path = Path(place) / name
            if name[0] != "." and (path.suffix.lower() in PHOTOS or is_archive(path)) and path.is_file():
                yield path
