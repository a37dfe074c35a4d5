"""Which photos there are in files, folders and tar files, always in the same order."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import Exit, LaaError

PHOTOS = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif"}
ARCHIVE = ".tar"


@dataclass(frozen=True)
class Source:
    """A photo: a file, or `size` bytes of a tar file from `offset` on. `name`: what it is called in messages and records."""

    name: str
    path: Path
    offset: int = 0
    size: int | None = None

    def content(self, most_bytes: int) -> bytes:
        """The photo's file, no more than one byte over `most_bytes` of it. Raises LaaError."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                return file.read(min(most_bytes + 1, most_bytes + 1 if self.size is None else self.size))
        except OSError as error:
            raise LaaError(f"cannot read {self.name}: {error.strerror}: check that you may read it") from error


def find(inputs: list[Path], besides: Path) -> list[Source]:
    """All photos of files, folders (walked) and tar files, each file once, but none in `besides`. Raises LaaError."""
    photos: dict[tuple[str, int], Source] = {}
    for path in inputs:
        if not path.exists():
            raise LaaError(f"cannot read {path}: there is no such file or folder", Exit.USAGE)
        for file in walked(path, besides.resolve()) if path.is_dir() else [path]:
            for source in members(file) if file.suffix.lower() == ARCHIVE else [Source(file.as_posix(), file)]:
                photos.setdefault((os.path.realpath(source.path), source.offset), source)
    if not photos:
        raise LaaError(f"no photos in {', '.join(map(str, inputs))}: expected {', '.join(sorted(PHOTOS))} or {ARCHIVE} files")
    return list({source.name: source for source in photos.values()}.values())  # a tar file can hold a name twice


def walked(folder: Path, besides: Path) -> Iterator[Path]:
    """The photos and tar files below a folder, by name; hidden ones are left out, as are links to folders."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] != "." and (Path(place) / name).resolve() != besides)
        for name in sorted(files):
            path = Path(place) / name
            if name[0] != "." and path.suffix.lower() in PHOTOS | {ARCHIVE} and path.is_file():
                yield path


def members(archive: Path) -> Iterator[Source]:
    """The photos in a tar file, in its order."""
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                if member.isfile() and not member.issparse() and Path(member.name).suffix.lower() in PHOTOS:
                    yield Source(f"{archive.as_posix()}:{member.name}", archive, member.offset_data, member.size)
    except (OSError, tarfile.TarError) as error:
        raise LaaError(f"cannot read {archive}: {error}: give a whole tar file, not compressed") from error
