"""Unit manifests, `manifest-RRRR-UUUUU.jsonl`: the records of one unit of one run, written whole and last.

Object stores neither append nor rename, so each unit has a file of its own, where the local batch adds to one. Records of later
runs hold; those of `manifest.jsonl`, which is older, come before all of them. Before a unit begins, its names are written to
`.laa/begun/`, and removed when its manifest tells of all of them: results of a unit that was killed, or stopped after an
attempt that was, are known as laa's own by them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import LaaError, SetupError, explain_os_error
from ..utils.jsonl import JsonLinesFile, parse_line
from ..utils.storage import LocalStorage, Storage
from .manifest import NAME
from .schema import ManifestRecord

BEGUN = ".laa/begun"
MANIFEST_NAME = re.compile(r"manifest-([0-9]{4,})-([0-9]{5,})\.jsonl")
BEGUN_NAME = re.compile(r"([0-9]{4,})-([0-9]{5,})\.jsonl")


def unit_name(run: int, number: int) -> str:
    """Names a unit, so that names sort as runs and units do."""
    return f"{run:04}-{number:05}"


def manifest_path(unit: str) -> str:
    """Names a unit's manifest, relative to the results."""
    return f"manifest-{unit}.jsonl"


def begun_path(unit: str) -> str:
    """Names the file that says that a unit was begun, relative to the results."""
    return f"{BEGUN}/{unit}.jsonl"


def run_of(path: str) -> int | None:
    """Returns the run that a unit's manifest, or the file that says that it was begun, is of; None for any other file."""
    folder, _, name = path.rpartition("/")
    pattern = {"": MANIFEST_NAME, BEGUN: BEGUN_NAME}.get(folder)
    found = pattern.fullmatch(name) if pattern else None
    return int(found[1]) if found else None


def order_of(path: str) -> tuple[int, int]:
    """Sorts manifests by run and unit; `manifest.jsonl` comes first."""
    found = MANIFEST_NAME.fullmatch(path)
    return (int(found[1]), int(found[2])) if found else (-1, 0)


def is_manifest(path: str) -> bool:
    """Whether it is a manifest of a batch, of whatever kind."""
    return path == NAME or MANIFEST_NAME.fullmatch(path) is not None


def to_lines(values: Iterable[Any]) -> bytes:
    """Writes values as JSON Lines."""
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def parse_lines(content: bytes) -> Iterator[Any]:
    """Reads JSON Lines; None for a line that is none, or is torn."""
    return map(parse_line, content.splitlines(keepends=True))


def write_unit_manifest(results: Storage, unit: str, records: Iterable[ManifestRecord], *, settled: bool) -> None:
    """Writes a unit's manifest. Raises LaaError.

    `settled`: no result of the unit is there, not even of an attempt at it that was killed, but those that the records tell of:
    what says that it was begun goes. It is removed by a later run where that fails.
    """
    results.write(manifest_path(unit), to_lines(sorted(records, key=lambda record: record["input"])), overwrite=True)
    if settled:
        with suppress(LaaError):
            results.remove(begun_path(unit))


def fold_unit_manifests(out: Path) -> None:
    """Adds the lines of unit manifests to the local batch's manifest, which is on disk before they are removed. LaaError.

    A run that is killed in between adds them again, to no harm: the latest are the last to go.
    """
    results = LocalStorage(out)
    names = sorted((path.name for path in out.iterdir() if MANIFEST_NAME.fullmatch(path.name)), key=order_of)
    begun = [name for name, _ in results.files(BEGUN) if run_of(name) is not None]
    if not names and not begun:
        return
    try:
        file = JsonLinesFile(out / NAME, fsync=False)
        try:
            earlier = {photo_of(value): value for value, _ in file.recover() if photo_of(value)}
            for value in lines_of(results, begun):  # first, so that what was finished holds
                file.append(value)
                if photo_of(value) in earlier:  # nor does it take away what is older
                    file.append(earlier[photo_of(value)])
            for value in lines_of(results, names):
                file.append(value)
            file.sync()
        finally:
            file.close()
    except OSError as error:
        reason = explain_os_error(error, "make room or check its permissions")
        raise SetupError(f"cannot add unit manifests to {out / NAME}: {reason}, then run the same command again") from error
    for name in [*begun, *names]:
        results.remove(name)


def lines_of(results: Storage, names: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Reads the objects in the lines of files, one file after the other. Raises OSError."""
    for name in names:
        yield from (value for value in parse_lines(results.read(name)) if isinstance(value, dict))


def photo_of(value: Any) -> str:
    """Returns the name of the photo that a line speaks of; empty where it does of none."""
    name = value.get("input") if isinstance(value, dict) else None
    return name if isinstance(name, str) else ""
