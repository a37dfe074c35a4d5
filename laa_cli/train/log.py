"""log.csv: a row for each validation, for people and for the learning curve."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, TypedDict

from ..errors import LaaError
from ..utils.atomic import write_atomically
from ..utils.inputs import NO_INPUTS, Inputs

Row = dict[str, Any]  # a row of the log: progress, TrainingFigures, those of the validation and of the task


class TrainingFigures(TypedDict):
    """Figures of the training steps since the last validation, as the log has them."""

    loss: float
    faces_per_s: float
    data_share: float  # of the time, spent waiting for samples
    matrix_share: float  # model FLOPs utilization (MFU): achieved over measured FLOP/s of matrix products


class DamagedLogError(LaaError):
    """A log.csv that is no table."""


def read_rows(path: Path) -> list[Row]:
    """Reads the rows of a log, values as text; none where there is no file. Raises LaaError."""
    try:
        return list(csv.DictReader(io.StringIO(path.read_text(), newline=""))) if path.exists() else []
    except OSError as error:
        raise LaaError(f"cannot read {path}: {error}") from error
    except (ValueError, csv.Error) as error:
        raise DamagedLogError(f"cannot read {path}: {error}") from error


def append_row(path: Path, row: Row, inputs: Inputs = NO_INPUTS) -> list[Row]:
    """Adds a row and returns all. Rows of later steps, which a run that was resumed from an earlier state lost, are dropped."""
    earlier = [old for old in read_rows(path) if int(old["step"]) <= int(row["step"])]
    rows = [*earlier, row]
    columns = list(dict.fromkeys(name for line in rows for name in line))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode(), inputs=inputs, overwrite=True)
    return rows


def column(rows: list[Row], name: str) -> list[float]:
    """Reads a column as numbers; nan where a row has none."""
    return [float(row.get(name) or "nan") for row in rows]
