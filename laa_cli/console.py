"""Terminal output with rich: tables, notices, progress bars and live displays for people, JSON lines for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.box import HEAVY_HEAD
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from .errors import LaaError, UsageError
from .utils.streams import standard_stream
from .utils.text import SHORTEST_CELLS, fit_columns, printable, shorten

LIVE_SECONDS = 0.2  # between updates of a live display
PATIENCE_SECONDS = 1.0  # for what is over before, no progress bar of a share is shown
UNLIMITED_CELLS = 1 << 16  # the width of what is no terminal: nothing is cut or wrapped there
NARROW_CELLS = 60  # terminals below this have tables without lines
FRAME_CELLS = 4  # of a table with lines, left and right of its cells together


def duration(seconds: float) -> str:
    """Formats a duration for people: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Screen:
    """A run's rich consoles: one for people and one for errors, on stderr.

    `quiet` leaves only errors; `data_on_stdout` moves what is for people to stderr. Whatever is for people is shown by
    `printable`: no file name steers the terminal. Data are left as they are.
    """

    def __init__(self, *, quiet: bool = False, data_on_stdout: bool = False) -> None:
        if data_on_stdout and sys.stdout is None:
            raise UsageError("there is no standard output: redirect it to a file")
        self.quiet = quiet
        self.stderr = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
        stdout = Console(highlight=False, emoji=False)
        # One console for both where both are a terminal: otherwise the progress bar and the tables overwrite each other.
        shared = data_on_stdout or (stdout.is_terminal and self.stderr.is_terminal)
        self.console = self.stderr if shared else stdout
        for console in (stdout, self.stderr):
            if not console.is_terminal:
                console.width = UNLIMITED_CELLS

    def say(self, text: str) -> None:
        """Prints a line for people."""
        if not self.quiet:
            self.console.print(Text(printable(text)), soft_wrap=True)

    def say_of(self, name: object, facts: str) -> None:
        """Prints a line on a file: its name, shortened where it does not fit the terminal, and what there is to say of it."""
        self.say(f"{shorten(printable(str(name)), max(SHORTEST_CELLS, self.console.width - len(facts) - 2))}: {facts}")

    def notice(self, text: str) -> None:
        """Prints a notice on stderr: what a person should know though nothing failed."""
        if not self.quiet:
            self.stderr.print(Text.assemble(("notice:", "yellow"), " ", printable(text)))

    def error(self, text: str) -> None:
        """Prints an error in one line on stderr, even when quiet."""
        self.stderr.print(Text.assemble(("error:", "bold red"), " ", printable(text)))

    def record(self, values: Mapping[str, Any]) -> None:
        """Writes one JSON line (JSONL) on stdout; escaped to ASCII, so that every file name survives every locale."""
        self.write(json.dumps(values).encode() + b"\n")

    def table(
        self, title: str, columns: Sequence[str], rows: Iterable[Iterable[str]], drop: Sequence[str] | None = None
    ) -> None:
        """Prints a table for people, a line for each row; columns whose names start with ">" are right-justified.

        `drop`: the columns that go where the terminal has no room for all, the least important first; by default the last,
        down to two. What then is still too long is shortened in the middle.
        """
        if self.quiet:
            return
        lines = [[printable(cell) for cell in row] for row in ([name.lstrip(">") for name in columns], *rows)]
        places = reversed(range(2, len(columns))) if drop is None else [columns.index(name) for name in drop]
        with_lines = self.console.width >= NARROW_CELLS
        frame, gap = (FRAME_CELLS, 3) if with_lines else (0, 2)
        is_text = [not name.startswith(">") for name in columns]
        widths = fit_columns(lines, is_text, [*places], self.console.width - frame, gap)
        table = Table(
            box=HEAVY_HEAD if with_lines else None, header_style="bold", show_header=any(lines[0]), pad_edge=with_lines
        )
        for place in sorted(widths):
            head = Text(shorten(lines[0][place], widths[place]))
            table.add_column(head, justify="left" if is_text[place] else "right", no_wrap=True, width=widths[place])
        for line in lines[1:]:
            table.add_row(*(Text(shorten(line[place], width)) for place, width in sorted(widths.items())))
        self.console.print(Text(shorten(printable(title), self.console.width), "italic"), soft_wrap=True)
        self.console.print(table)

    def track(self, items: Iterable[Any], verb: str) -> Iterator[Any]:
        """Iterates with a progress bar, unless quiet, for a list of fewer than two items, or where stderr is no terminal."""
        if self.quiet or (isinstance(items, list) and len(items) < 2) or not self.stderr.is_terminal:
            yield from items
            return
        columns = (
            TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        )  # fmt: skip
        with Progress(*columns, console=self.stderr, transient=True, redirect_stdout=False) as progress:
            yield from progress.track(items, description=printable(verb))

    @contextmanager
    def progress(self, photos: int) -> Iterator[PhotoProgress]:
        """Shows a progress bar with photos/s, faces/s and the time left, unless quiet or where stderr is no terminal."""
        columns = (
            TextColumn("photos"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
            TimeRemainingColumn(),
        )
        disable = self.quiet or not self.stderr.is_terminal
        with Progress(*columns, console=self.stderr, transient=True, redirect_stdout=False, disable=disable) as progress:
            yield PhotoProgress(progress, progress.add_task("photos", total=photos, pace=""))

    @contextmanager
    def share(self, verb: str) -> Iterator[Callable[[float], None]]:
        """Opens a progress bar with the time left, and yields its update function, which takes the share done, 0..1.

        It appears once more than PATIENCE_SECONDS have gone by since the share was 0, so that quick work does not flicker, and
        never when quiet or where stderr is no terminal.
        """
        columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
        disable = self.quiet or not self.stderr.is_terminal
        progress = Progress(*columns, console=self.stderr, transient=True, redirect_stdout=False, disable=disable)
        task = progress.add_task(printable(verb), total=1.0)
        started = time.monotonic()

        def update(share: float) -> None:
            nonlocal started
            progress.update(task, completed=share)
            if share == 0:
                started = time.monotonic()
            elif share < 1 and time.monotonic() - started > PATIENCE_SECONDS:
                progress.start()

        try:
            yield update
        finally:
            progress.stop()

    @contextmanager
    def live(self) -> Iterator[Callable[[str], None]]:
        """Opens a live display of one line, and yields its update function, which may be called as often as you like.

        It does nothing when quiet or where stderr is no terminal.
        """
        if self.quiet or not self.stderr.is_terminal:
            yield lambda text: None
            return
        updated = 0.0
        with Live(
            console=self.stderr, transient=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        ) as display:

            def update(text: str) -> None:
                nonlocal updated
                if time.monotonic() - updated > LIVE_SECONDS:
                    display.update(Text(printable(text), no_wrap=True, overflow="ellipsis"), refresh=True)
                    updated = time.monotonic()

            yield update

    def write(self, content: bytes) -> None:
        """Writes data on stdout; what became of it is said at the end. Raises LaaError where there is no StandardStream."""
        try:
            sys.stdout.flush()
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        except (OSError, AttributeError) as error:  # AttributeError: there is no stdout
            raise LaaError(f"cannot write to stdout: {getattr(error, 'strerror', None) or 'it is closed'}") from error

    def bytes(self, content: bytes) -> None:
        """Writes a photo on stdout. Raises LaaError where that cannot be."""
        self.write(content)
        stream = standard_stream("stdout")
        if stream and (error := stream.take_error()):
            raise LaaError(f"cannot write to stdout: {error.strerror or error}") from error


class PhotoProgress:
    """A progress bar that counts photos and their faces."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self.progress = progress
        self.task = task
        self.started = time.perf_counter()
        self.photos = 0
        self.faces = 0

    def advance(self, faces: int) -> None:
        """Advances the bar by one photo with so many faces."""
        self.photos += 1
        self.faces += faces
        seconds = time.perf_counter() - self.started
        pace = f"{self.photos / seconds:.1f} photos/s, {self.faces / seconds:.1f} faces/s"
        self.progress.update(self.task, advance=1, pace=pace)
