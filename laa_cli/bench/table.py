"""A table once, for terminals, for Markdown and for pages."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

from ..console import Screen


@dataclass(frozen=True)
class Table:
    """Text in cells; columns whose names start with ">" are set flush right. `notes` stand below."""

    title: str
    head: tuple[str, ...]
    lines: Sequence[tuple[str, ...]]
    notes: list[str] = field(default_factory=list)

    def show(self, screen: Screen) -> None:
        """In a terminal."""
        screen.table(self.title, self.head, self.lines)
        for note in self.notes:
            screen.say(note)

    def markdown(self) -> str:
        """As Markdown, ended by an empty line."""
        rule = ["---:" if name.startswith(">") else "---" for name in self.head]
        names = [name.lstrip(">") for name in self.head]
        lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in (names, rule, *self.lines)]
        return "\n".join([f"{self.title}:", "", *lines, "", *(f"{note}\n" for note in self.notes)]) + "\n"

    def html(self) -> str:
        """As part of a page."""
        numeric = [name.startswith(">") for name in self.head]
        head = row((name.lstrip(">") for name in self.head), numeric, "th")
        body = "".join(row(line, numeric, "td") for line in self.lines)
        notes = "".join(f"<p><small>{escape(note)}</small></p>" for note in self.notes)
        rows = f"<thead>{head}</thead><tbody>{body}</tbody>"
        return f'<h3>{escape(self.title)}</h3><div class="scroll"><table>{rows}</table></div>{notes}\n'


def row(cells: Iterable[str], numeric: list[bool], tag: str) -> str:
    """One line of a table in HTML."""
    kinds = (' class="number"' if right else "" for right in numeric)
    return "<tr>" + "".join(f"<{tag}{kind}>{escape(cell)}</{tag}>" for cell, kind in zip(cells, kinds, strict=True)) + "</tr>"


# How results leave: a table for people, or one of the forms for programs and documents on stdout.


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
