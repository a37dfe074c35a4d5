"""Scans a folder for photos, and names their results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ..errors import UsageError
from ..photo import READABLE_SUFFIXES, SUFFIXES

FileState = tuple[int, int]  # bytes, and time of the last change in ns


@dataclass(frozen=True)
class PhotoFile:
    """A photo in the folder: `name` relative to it, with slashes; `output` likewise, relative to the folder of the results."""

    path: Path
    name: str
    output: str


@dataclass(frozen=True)
class NameFilter:
    """Which names count, as shell patterns (glob) of the name relative to the folder or of the file's name alone."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def __contains__(self, name: str) -> bool:
        return (not self.include or matches(name, self.include)) and not matches(name, self.exclude)


@dataclass(frozen=True)
class ScanResult:
    """The photos in the order of their names, and the number of other files."""

    photos: list[PhotoFile]
    ignored: int


def check_folders(source: Path, out: Path) -> tuple[Path, Path]:
    """Resolves both folders. UsageError where the results could fall among the photos."""
    if not source.is_dir():
        raise UsageError(f"{source} is no folder: give a folder of photos, or use `laa upscale` for a single one")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file: give a folder for the results")
    source, out = source.resolve(), out.resolve()
    if source.is_relative_to(out):
        raise UsageError(f"the results in {out} would fall among the photos in {source}: choose another folder")
    return source, out


def scan(root: Path, out: Path, selection: NameFilter) -> ScanResult:
    """Finds the photos below `root`, a resolved path; `out`, which may lie in it, and hidden files are passed over.

    Links to files count where they stay in `root`; links to folders do not, for what they show is found in its own place.
    """
    photos: list[str] = []
    ignored = 0
    for name in sorted(walk_names(root, out)):
        if suffix(name) in READABLE_SUFFIXES and name in selection and stays_inside(root, root / name):
            photos.append(name)
        else:
            ignored += 1
    unchanged = {name for name in photos if suffix(name) in SUFFIXES}
    return ScanResult([PhotoFile(root / name, name, output_name(name, unchanged)) for name in photos], ignored)


def walk_names(root: Path, out: Path) -> Iterator[str]:
    """Yields the names of all files that are not hidden, relative to `root`, with slashes."""
    for folder, folders, files in os.walk(root):
        place = Path(folder)
        folders[:] = [name for name in folders if not name.startswith(".") and place / name != out]
        yield from ((place / name).relative_to(root).as_posix() for name in files if not name.startswith("."))


def stays_inside(root: Path, path: Path) -> bool:
    """Whether it is a file and, if it is a link, leads to one in the folder."""
    return path.is_file() and (not path.is_symlink() or path.resolve().is_relative_to(root))


def output_name(name: str, unchanged: set[str]) -> str:
    """Names a result: as the photo, or with .png added where laa does not write the photo's format.

    `unchanged`: the photos that keep their names; they come first, so that no name depends on the order of the photos.
    """
    if name in unchanged:
        return name
    result = f"{name}.png"
    while result in unchanged:
        result += ".png"
    return result


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of the patterns fits the whole name or the file's name alone; * stands for slashes too."""
    return any(fnmatchcase(name, pattern) or fnmatchcase(name.rpartition("/")[2], pattern) for pattern in patterns)


def suffix(name: str) -> str:
    """Returns the extension in lower case, with its dot."""
    return os.path.splitext(name)[1].lower()


def file_state(path: Path) -> FileState | None:
    """Reads a file's size and time; None where it has gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
