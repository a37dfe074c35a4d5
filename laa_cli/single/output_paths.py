"""Where results go: names beside the input, a file or a folder by --output."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ..errors import UsageError
from ..photo import LAYERS_SUFFIX, SUFFIXES
from ..utils.atomic import special_kind

STREAM = Path("-")  # stdin or stdout
PAGE_SUFFIX = ".html"
SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))
Place = str | Path  # as it was given, for a Path has lost the slash at its end, by which text names a folder


def parse_path(text: Place) -> Path:
    """Returns the path that a person named. "-" is STREAM, and "./-" a file of that name."""
    path = Path(text)
    return path.absolute() if path == STREAM and os.fspath(text) != "-" else path


def plan_outputs(
    inputs: list[Path], output: Place | None, label: str, option: str = "output", *, stream: bool = False, suffix: str = ""
) -> list[Path]:
    """The output of each input, as far as names go: `photo.jpg` becomes `photo{label}.jpg` beside it or in a folder.

    `option`: the parameter that gave `output`. `suffix`: of names that are not given, by default the photo's own. UsageError
    where `output` does not fit several photos, is no place for files, or is "-" though `stream` is not allowed.
    """
    several = len(inputs) > 1
    if output is not None and parse_path(output) == STREAM and (several or not stream):
        raise UsageError(f"{option} - is not possible here: give a {'folder' if several else 'file'}", option)
    return [output_path(source, output, label, option, several=several, suffix=suffix) for source in inputs]


def plan_named(inputs: list[Path], place: Place, label: str, option: str, suffix: str) -> list[Path]:
    """The file of each input that is of one format: see `plan_outputs`. UsageError where its name ends otherwise, too."""
    paths = plan_outputs(inputs, place, label, option, suffix=suffix)
    for path in paths:
        if path.suffix.lower() != suffix:
            raise UsageError(f"{option} {path} is no {suffix} file: name it {path.with_suffix(suffix)}", option)
    return paths


def output_path(source: Path, output: Place | None, label: str, option: str, *, several: bool, suffix: str = "") -> Path:
    """Names one input's output: `output` itself, a name in its folder, or a name beside the input."""
    name = default_name(source, label, suffix)
    if output is None:
        return STREAM if source == STREAM else source.parent / name
    path = parse_path(output)
    is_folder = os.path.isdir(path) or os.fspath(output).endswith(SEPARATORS)
    if path == STREAM or not (several or is_folder or not path.suffix):
        return path
    if not is_folder:
        check_new_folder(path, option, several=several)
    return path / name


def check_new_folder(path: Path, option: str, *, several: bool) -> None:
    """Raises UsageError where a path that is to be a folder is or looks like something else."""
    try:
        kind = special_kind(os.stat(path))
    except (OSError, ValueError):
        kind = None
    if kind:
        hint = ", or - for stdout" if option == "output" else ""
        raise UsageError(f"{option} {path} is {kind}: name a file{hint}", option)
    if several and (os.path.lexists(path) or path.suffix.lower() in {*SUFFIXES, LAYERS_SUFFIX, PAGE_SUFFIX}):
        raise UsageError(f"{option} {path} is a file, but a folder is needed for several photos", option)
    if os.path.lexists(path):
        raise UsageError(f"{option} {path} is a file, and its name says no format: name another, such as {path}.jpg", option)


def default_name(source: Path, label: str, suffix: str = "") -> str:
    """Names a result: photo.jpg -> photo{label}.jpg, or with `suffix`; formats that laa reads but does not write become PNG."""
    suffix = suffix or (source.suffix if source.suffix.lower() in SUFFIXES else ".png")
    return stem(source) + label + suffix


def stem(source: Path) -> str:
    """Returns what the names of a photo's results begin with."""
    return "photo" if source == STREAM else source.stem


def check_unique(targets: Iterable[tuple[Path, str]], option: str) -> None:
    """Raises UsageError where two results would have one name. `targets`: a result's path, and what it is made from.

    `option`: the flag that would part them.
    """
    sources: dict[str, str] = {}
    for path, source in targets:
        key = os.path.normcase(os.path.abspath(path))
        if path != STREAM and key in sources:
            hint = f"run them one by one, each with another {option}, or use `laa batch` on their folder"
            if source == sources[key]:
                hint = "name it once"
            raise UsageError(f"{path} would be written twice, from {sources[key]} and from {source}: {hint}")
        sources[key] = source
