"""The one module that prints: tables and notices for people, records for programs, errors on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from .errors import LaaError

LIVE_SECONDS = 0.2  # between changes of a live line


def duration(seconds: float) -> str:
    """A time to wait, as people say it: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Screen:
    """What a run shows. `quiet` leaves errors alone; `data_on_stdout` moves everything human to stderr."""

    def __init__(self, *, quiet: bool = False, data_on_stdout: bool = False) -> None:
        self.quiet = quiet
        self.errors = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
        people = Console(highlight=False, emoji=False)
        # One console for both where both are a terminal: otherwise the progress bar and the tables overwrite each other.
        together = data_on_stdout or (people.is_terminal and self.errors.is_terminal)
        self.people = self.errors if together else people

    def say(self, text: str) -> None:
        """A line for people."""
        if not self.quiet:
            self.people.print(escape(text), soft_wrap=True)

    def notice(self, text: str) -> None:
        """Something a person should know though nothing failed; on stderr."""
        if not self.quiet:
            self.errors.print(f"[yellow]notice:[/] {escape(text)}")

    def error(self, text: str) -> None:
        """What failed, in one line on stderr, even when quiet."""
        self.errors.print(f"[bold red]error:[/] {escape(' '.join(text.split()))}")

    def record(self, values: Mapping[str, Any]) -> None:
        """One JSON line on stdout; escaped to ASCII, so that every file name survives every locale."""
        self.bytes(json.dumps(values).encode() + b"\n")

    def table(self, title: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
        """A table for people; columns whose names start with ">" are set flush right."""
        if self.quiet:
            return
        table = Table(title=escape(title), title_justify="left", header_style="bold")
        for column in columns:
            table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left", overflow="fold")
        for row in rows:
            table.add_row(*map(escape, row))
        self.people.print(table, soft_wrap=False)

    def track(self, items: Iterable[Any], verb: str) -> Iterator[Any]:
        """Iterates under a progress bar, where there are several items and someone is watching."""
        if self.quiet or (isinstance(items, list) and len(items) < 2) or not self.errors.is_terminal:
            yield from items
            return
        columns = (TextColumn(verb), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self.errors, transient=True, redirect_stdout=False) as progress:
            yield from progress.track(items)

    @contextmanager
    def progress(self, photos: int) -> Iterator[PhotoProgress]:
        """A progress bar with photos/s, faces/s and time left, where someone is watching."""
        columns = (
            TextColumn("photos"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
            TimeRemainingColumn(),
        )
        shown = self.errors.is_terminal and not self.quiet
        with Progress(*columns, console=self.errors, transient=True, redirect_stdout=False, disable=not shown) as progress:
            yield PhotoProgress(progress, progress.add_task("photos", total=photos, pace=""))

    @contextmanager
    def live(self) -> Iterator[Callable[[str], None]]:
        """A line that gives way to the next, where someone is watching; call it with the text as often as you like."""
        if self.quiet or not self.errors.is_terminal:
            yield lambda text: None
            return
        shown = 0.0
        with Live(
            console=self.errors, transient=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        ) as line:

            def show(text: str) -> None:
                nonlocal shown
                if time.monotonic() - shown > LIVE_SECONDS:
                    line.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)
                    shown = time.monotonic()

            yield show

    def bytes(self, content: bytes) -> None:
        """Data on stdout. Raises LaaError where nobody takes it."""
        try:
            sys.stdout.flush()
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        except (OSError, AttributeError) as error:  # AttributeError: there is no stdout
            raise LaaError(f"cannot write to stdout: {getattr(error, 'strerror', None) or 'it is closed'}") from error


class PhotoProgress:
    """A progress bar that counts photos and their faces."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self.progress, self.task, self.started = progress, task, time.perf_counter()
        self.photos = self.faces = 0

    def advance(self, faces: int) -> None:
        """One more photo, with so many faces."""
        self.photos, self.faces = self.photos + 1, self.faces + faces
        seconds = time.perf_counter() - self.started
        pace = f"{self.photos / seconds:.1f} photos/s, {self.faces / seconds:.1f} faces/s"
        self.progress.update(self.task, advance=1, pace=pace)
