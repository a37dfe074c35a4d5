"""Scans a folder for photos, and names their results."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from ..errors import LaaError, UsageError
from ..photo import READABLE_SUFFIXES, SUFFIXES
from ..utils.walk import FolderWalk, unreadable_message

FileState = tuple[int, int]  # bytes, and time of the last change in ns


@dataclass(frozen=True)
class PhotoFile:
    """A photo in the folder: `name` relative to it, with slashes; `output` likewise, relative to the folder of the results."""

    path: Path
    name: str
    output: str


@dataclass(frozen=True)
class NameFilter:
    """Which names count, as shell patterns (glob) of the name relative to the folder or of the file's name alone.

    Upper and lower case are the same, for cameras write IMG_1.JPG, and so are the two ways to write an accent.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def __contains__(self, name: str) -> bool:
        return (not self.include or matches(name, self.include)) and not (self.exclude and matches(name, self.exclude))


@dataclass(frozen=True)
class ScanResult:
    """The photos in the order of their names, the number of other files, and the folders that could not be read, and why."""

    photos: list[PhotoFile]
    ignored: int
    unreadable: dict[str, str] = field(default_factory=dict)


def check_folders(source: Path, out: Path) -> tuple[Path, Path]:
    """Resolves both folders. UsageError where the results could fall among the photos; LaaError where one cannot be read."""
    source, out = check_source(source), check_out(out)
    if source.is_relative_to(out):
        raise UsageError(f"the results in {out} would fall among the photos in {source}: choose another folder")
    return source, out


def check_source(source: Path) -> Path:
    """Resolves the folder of photos. UsageError where there is none; LaaError where it cannot be read."""
    try:
        os.scandir(source).close()
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{source} is no folder: give a folder of photos, or use `laa upscale` for a single one") from None
    except OSError as error:
        raise LaaError(unreadable_message(str(source), error.strerror or str(error))) from error
    return Path(os.path.realpath(source))


def check_out(out: Path) -> Path:
    """Resolves the folder for the results, which need not be there. UsageError where it is a file."""
    if os.path.exists(out) and not os.path.isdir(out):
        raise UsageError(f"{out} is a file: give a folder for the results")
    return Path(os.path.realpath(out))


def scan(root: Path, out: Path, selection: NameFilter) -> ScanResult:
    """Finds the photos below `root`, a resolved path; `out`, which may lie in it, and hidden files are passed over.

    Links to files count where they stay in `root`; links to folders do not, for what they show is found in its own place.
    """
    names, ignored, unreadable = scan_names(root, out, selection)
    return ScanResult([PhotoFile(root / name, name, output) for name, output in output_names(names)], ignored, unreadable)


def scan_names(root: Path, out: Path, selection: NameFilter) -> tuple[list[str], int, dict[str, str]]:
    """Finds the names of photos as `scan` does, in their order; counts the other files; and what could not be read, and why."""
    photos: list[str] = []
    ignored = 0
    walk = FolderWalk(root, out)
    for name in sorted(walk.names()):
        wanted = suffix(name) in READABLE_SUFFIXES and name in selection
        path = os.path.join(root, name)
        if wanted and walk.is_file(path) and stays_inside(root, path):
            photos.append(name)
        else:
            ignored += 1
    return photos, ignored, walk.unreadable


def stays_inside(root: Path, path: str) -> bool:
    """Whether a file, if it is a link, leads to one in the folder."""
    return not os.path.islink(path) or Path(os.path.realpath(path)).is_relative_to(root)


def output_names(photos: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yields each photo's name with its result's."""
    unchanged = {name for name in photos if suffix(name) in SUFFIXES}
    return ((name, output_name(name, unchanged)) for name in photos)


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
    name = folded(name)
    return any(fnmatchcase(part, folded(pattern)) for pattern in patterns for part in (name, name.rpartition("/")[2]))


def folded(name: str) -> str:
    """Folds what people take for the same letter: case, and accents that are characters of their own (NFC)."""
    return unicodedata.normalize("NFC", name).lower()


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
