"""log.csv: a line for each validation, for people and for the curve."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from ..errors import LaaError
from ..utils.atomic import write_atomically

Row = dict[str, Any]


def read_rows(path: Path) -> list[Row]:
    """The lines of a log, as text; none where there is no log. Raises LaaError."""
    try:
        return list(csv.DictReader(io.StringIO(path.read_text(), newline=""))) if path.exists() else []
    except (OSError, ValueError, csv.Error) as error:
        raise LaaError(f"cannot read {path}: {error}") from error


def append_row(path: Path, row: Row) -> list[Row]:
    """Adds a line and returns all. Lines of later steps, which a run that went on from an earlier state lost, are left out."""
    kept = [old for old in read_rows(path) if int(old["step"]) <= int(row["step"])]
    every = [*kept, row]
    columns = list(dict.fromkeys(name for line in every for name in line))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(every)
    write_atomically(path, text.getvalue().encode(), overwrite=True)
    return every


def column(lines: list[Row], name: str) -> list[float]:
    """A column as numbers; nan where a line has none."""
    return [float(line.get(name) or "nan") for line in lines]
