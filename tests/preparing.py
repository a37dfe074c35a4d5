"""What the tests of `laa prepare` share: a face that a fake detector finds, and ways to stop a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from laa_cli.detect import Face

POINTS = ((70.0, 70.0), (110.0, 70.0), (90.0, 90.0), (75.0, 110.0), (105.0, 110.0))
MIDDLE = Face((20.0, 20.0, 160.0, 160.0), 0.99, POINTS)  # the protocol's crop: 175 px


class Killed(BaseException):
    """What a test throws to stop a run."""


def dying_after(calls: int) -> Callable[[Any], list[Face]]:
    """A detector that finds MIDDLE in so many photos, and then is killed."""
    seen: list[int] = []

    def detect(rgb: Any) -> list[Face]:
        if len(seen) == calls:
            raise Killed
        seen.append(1)
        return [MIDDLE]

    return detect


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
