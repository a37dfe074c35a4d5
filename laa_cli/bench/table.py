"""Tables for terminals, Markdown and HTML, and the printing of results in the format that is asked for."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..console import Screen
from ..utils.html import escaped
from ..utils.text import printable
from .requests import OutputFormat


@dataclass(frozen=True)
class Table:
    """A table of text. Columns whose names start with ">" are set flush right; `notes` stand below.

    `drop`: the columns that a narrow terminal goes without, the least important first; None: the last, down to two.
    """

    title: str
    head: tuple[str, ...]
    lines: Sequence[tuple[str, ...]]
    notes: list[str] = field(default_factory=list)
    drop: tuple[str, ...] | None = None

    def show(self, screen: Screen) -> None:
        """Prints the table and its notes."""
        screen.table(self.title, self.head, self.lines, self.drop)
        for note in self.notes:
            screen.say(note)

    def markdown(self) -> str:
        """Formats the table as Markdown, ended by an empty line; names are shown by `printable`."""
        rule = ["---:" if name.startswith(">") else "---" for name in self.head]
        names = [name.lstrip(">") for name in self.head]
        lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in (names, rule, *self.lines)]
        notes = [part for note in self.notes for part in (note, "")]
        return "\n".join(map(printable, [f"{self.title}:", "", *lines, "", *notes])) + "\n"

    def html(self) -> str:
        """Formats the table as a fragment of HTML, every value escaped."""
        numeric = [name.startswith(">") for name in self.head]
        head = html_row((name.lstrip(">") for name in self.head), numeric, "th")
        body = "".join(html_row(line, numeric, "td") for line in self.lines)
        notes = "".join(f"<p><small>{escaped(note)}</small></p>" for note in self.notes)
        rows = f"<thead>{head}</thead><tbody>{body}</tbody>"
        return f'<h3>{escaped(self.title)}</h3><div class="scroll"><table>{rows}</table></div>{notes}\n'


def emit(
    tables: list[Table],
    record: Callable[[], Mapping[str, Any]],
    as_csv: Callable[[], str],
    output_format: OutputFormat,
    screen: Screen,
) -> None:
    """Prints a result: tables for people, or JSON, CSV or Markdown on stdout."""
    if output_format == "json":
        screen.record(dict(record()))
    elif output_format == "csv":
        screen.bytes(as_csv().encode(errors="backslashreplace"))
    elif output_format == "markdown":
        screen.bytes("\n".join(table.markdown() for table in tables).encode())
    else:
        for table in tables:
            table.show(screen)


def format_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Formats one or more rows with the same keys as CSV with a header."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def html_row(cells: Iterable[str], numeric: list[bool], tag: str) -> str:
    """Formats a `<tr>` of `<td>` or `<th>` cells."""
    kinds = (' class="number"' if right else "" for right in numeric)
    return "<tr>" + "".join(f"<{tag}{kind}>{escaped(cell)}</{tag}>" for cell, kind in zip(cells, kinds, strict=True)) + "</tr>"
