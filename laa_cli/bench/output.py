"""How results leave: a table for people, or one of the forms for programs and documents on stdout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from ..console import Screen
from .table import Table

Form = Literal["table", "json", "csv", "markdown"]


def deliver(
    tables: list[Table], record: Callable[[], dict[str, Any]], csv: Callable[[], str], form: Form, screen: Screen
) -> None:
    """Prints in one form."""
    if form == "json":
        screen.record(record())
    elif form == "csv":
        screen.bytes(csv().encode())
    elif form == "markdown":
        screen.bytes("\n".join(table.markdown() for table in tables).encode())
    else:
        for table in tables:
            table.show(screen)
