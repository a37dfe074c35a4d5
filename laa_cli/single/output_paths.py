"""Where results go: names beside the input, a file or a folder by --output, and never over a photo of the run."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ..errors import LaaError, UsageError
from ..photo import SUFFIXES
from ..utils.atomic import already_exists

STREAM = Path("-")  # stdin or stdout
Identities = set[tuple[int, int]]  # device and inode of files


def plan_outputs(
    inputs: list[Path], output: Path | None, label: str, option: str = "output", *, stream: bool = False
) -> list[Path]:
    """The output of each input, as far as names go: `photo.jpg` becomes `photo{label}.jpg` beside it or in a folder.

    `option`: the parameter that gave `output`. UsageError where `output` does not fit several photos, or is "-" though
    `stream` is not allowed.
    """
    several = len(inputs) > 1
    if output == STREAM and (several or not stream):
        raise UsageError(f"{option} - is not possible here: give a {'folder' if several else 'file'}", option)
    return [output_path(source, output, label, option, several=several) for source in inputs]


def output_path(source: Path, output: Path | None, label: str, option: str, *, several: bool) -> Path:
    """Names one input's output: `output` itself, a name in its folder, or a name beside the input."""
    if output is None:
        return STREAM if source == STREAM else source.parent / default_name(source, label)
    is_folder = os.path.isdir(output)
    if output == STREAM or not (several or is_folder or not output.suffix):
        return output
    if not is_folder and (os.path.lexists(output) or output.suffix.lower() in SUFFIXES):
        raise UsageError(f"{option} {output} is a file, but a folder is needed for several photos", option)
    return output / default_name(source, label)


def default_name(source: Path, label: str) -> str:
    """Names a result: photo.jpg -> photo{label}.jpg; formats that laa reads but does not write become PNG."""
    suffix = source.suffix if source.suffix.lower() in SUFFIXES else ".png"
    return stem(source) + label + suffix


def stem(source: Path) -> str:
    """Returns what the names of a photo's results begin with."""
    return "photo" if source == STREAM else source.stem


def check_unique(targets: Iterable[Path]) -> None:
    """Raises UsageError where two results would have one name."""
    seen: set[str] = set()
    for path in targets:
        key = os.path.normcase(os.path.abspath(path))
        if path != STREAM and key in seen:
            raise UsageError(f"{path} would be written twice: process those photos apart")
        seen.add(key)


def file_identities(paths: Iterable[Path]) -> Identities:
    """Identifies the files behind names and links: device and inode (stat) of each that exists."""
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
