"""How results leave: a table for people, or one of the forms for programs and documents on stdout."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any, Literal

from ..console import Screen
from .table import Table

OutputFormat = Literal["table", "json", "csv", "markdown"]


def emit(
    tables: list[Table], record: Callable[[], dict[str, Any]], as_csv: Callable[[], str], form: OutputFormat, screen: Screen
) -> None:
    """Prints in one form."""
    if form == "json":
        screen.record(record())
    elif form == "csv":
        screen.bytes(as_csv().encode())
    elif form == "markdown":
        screen.bytes("\n".join(table.markdown() for table in tables).encode())
    else:
        for table in tables:
            table.show(screen)


def csv_text(rows: list[dict[str, Any]]) -> str:
    """One or more rows with the same keys."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()
