"""Where results go: names beside the input, a file or a folder by --output, and never over a photo of the run."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ..errors import Exit, LaaError
from ..photo import SUFFIXES
from ..utils.atomic import already_exists

STREAM = Path("-")  # stdin or stdout
Identities = set[tuple[int, int]]  # device and inode of files


def plan_outputs(
    inputs: list[Path], output: Path | None, label: str, flag: str = "--output", *, stream: bool = False
) -> list[Path]:
    """The output of each input, as far as names go: `photo.jpg` becomes `photo{label}.jpg` beside it or in a folder.

    LaaError (usage) where `output` does not fit several photos, or is "-" though `stream` is not allowed.
    """
    several = len(inputs) > 1
    if output == STREAM and (several or not stream):
        raise LaaError(f"{flag} - is not possible here: give a {'folder' if several else 'file'}", Exit.USAGE)
    return [output_path(source, output, label, flag, several=several) for source in inputs]


def output_path(source: Path, output: Path | None, label: str, flag: str, several: bool) -> Path:
    """One input's output: `output` itself, a name in its folder, or a name beside the input."""
    if not source.name:
        raise LaaError(f"{source} is a folder: give the photos in it", Exit.USAGE)
    if output is None:
        return STREAM if source == STREAM else source.with_name(default_name(source, label))
    is_folder = os.path.isdir(output)
    if output == STREAM or not (several or is_folder or not output.suffix):
        return output
    if not is_folder and (os.path.lexists(output) or output.suffix.lower() in SUFFIXES):
        raise LaaError(f"{flag} {output} is a file, but a folder is needed for several photos", Exit.USAGE)
    return output / default_name(source, label)


def default_name(source: Path, label: str) -> str:
    """photo.jpg -> photo{label}.jpg; formats that laa reads but does not write become PNG."""
    suffix = source.suffix if source.suffix.lower() in SUFFIXES else ".png"
    return stem(source) + label + suffix


def stem(source: Path) -> str:
    """What the names of a photo's results begin with."""
    return "photo" if source == STREAM else source.stem


def check_unique(targets: Iterable[Path]) -> None:
    """LaaError (usage) where two results would have one name."""
    seen: set[str] = set()
    for path in targets:
        key = os.path.normcase(os.path.abspath(path))
        if path != STREAM and key in seen:
            raise LaaError(f"{path} would be written twice: process those photos apart", Exit.USAGE)
        seen.add(key)


def file_identities(paths: Iterable[Path]) -> Identities:
    """Which files there are behind names and links: device and inode of each that exists."""
    found = set()
    for path in paths:
        try:
            status = os.stat(path)
        except (OSError, ValueError):  # what cannot be looked at is reported when it is read
            continue
        found.add((status.st_dev, status.st_ino))
    return found


def check_target(path: Path, photos: Identities, overwrite: bool) -> None:
    """Refuses an output that is one of the run's photos (`photos`: their identities), a folder, or there already."""
    if path == STREAM:
        return
    if os.path.isdir(path):
        raise LaaError(f"{path} is a folder: name a file")
    if file_identities([path]) & photos:
        raise LaaError(f"{path} is one of the photos: choose another --output")
    if os.path.lexists(path) and not overwrite:
        raise already_exists(path)
