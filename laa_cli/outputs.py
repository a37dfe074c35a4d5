"""Where results go: names beside the input, a file or a folder by --output, and never over something that is there."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import Exit, LaaError
from .photo import SUFFIXES

STREAM = Path("-")  # stdin or stdout


def plan(inputs: list[Path], output: Path | None, label: str, flag: str = "--output") -> list[Path]:
    """The output of each input, as far as names go: `photo.jpg` becomes `photo{label}.jpg` beside it or in a folder.

    LaaError (usage) where `output` does not fit several photos or two outputs would be one file.
    """
    targets = [target(source, output, label, flag, several=len(inputs) > 1) for source in inputs]
    taken: dict[str, Path] = {}
    for source, path in zip(inputs, targets, strict=True):
        key = os.path.normcase(os.path.abspath(path))
        if path != STREAM and key in taken:
            raise LaaError(f"{taken[key]} and {source} would both become {path}: process them apart", Exit.USAGE)
        taken[key] = source
    return targets


def target(source: Path, output: Path | None, label: str, flag: str, several: bool) -> Path:
    """One input's output: `output` itself, a name in its folder, or a name beside the input."""
    if output is None:
        return STREAM if source == STREAM else source.with_name(named(source, label))
    if output == STREAM or not (several or output.is_dir() or not output.suffix):
        if several:
            raise LaaError(f"{flag} - takes one photo only", Exit.USAGE)
        return output
    if output.exists() and not output.is_dir():
        raise LaaError(f"{flag} {output} is a file, but a folder is needed here", Exit.USAGE)
    return output / named(source, label)


def named(source: Path, label: str) -> str:
    """photo.jpg -> photo{label}.jpg; formats that laa reads but does not write become PNG."""
    stem, suffix = ("photo", "") if source == STREAM else (source.stem, source.suffix)
    return stem + label + (suffix if suffix.lower() in SUFFIXES else ".png")


def check_target(source: Path, path: Path, overwrite: bool) -> None:
    """Refuses an output that is the photo itself or exists already, and makes its folder."""
    if path == STREAM:
        return
    if path.is_dir():
        raise LaaError(f"{path} is a folder: name a file")
    if source != STREAM and path.exists() and source.exists() and path.samefile(source):
        raise LaaError(f"{path} is the photo itself: choose another --output")
    if os.path.lexists(path) and not overwrite:
        raise LaaError(f"{path} exists already: choose another --output, or allow it with --overwrite")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LaaError(f"cannot make the folder {path.parent}: {error.strerror}") from error
