"""Signal handlers for Ctrl-C, SIGTERM and SIGHUP, also such that wait until a unit of work is whole, so that it can be saved.

A signal that is ignored when laa starts, as SIGHUP under `nohup` or SIGINT in a script's background, stays ignored.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType

from ..errors import Exit

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # no SIGHUP on Windows


def heeded_signals() -> list[signal.Signals]:
    """Lists the signals that end a run: those that are not ignored."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def raise_on_signals() -> None:
    """Lets every signal end the run as Ctrl-C does, so that temporary files are removed on the way out."""
    for number in heeded_signals():
        signal.signal(number, signal.default_int_handler)
    report = sys.unraisablehook

    def report_unless_interrupted(unraisable: sys.UnraisableHookArgs) -> None:
        if not isinstance(unraisable.exc_value, KeyboardInterrupt):
            report(unraisable)

    sys.unraisablehook = report_unless_interrupted  # a library's C code may print an interrupt, and raise it again


def ignore_signals() -> None:
    """Lets the process end in peace."""
    for number in heeded_signals():
        signal.signal(number, signal.SIG_IGN)


class DeferredSignals:
    """While entered, defers a signal that arrives in a `deferred` step; a second one, or one between steps, acts at once.

    `pending`: whether a signal was deferred. `mid_step`: whether a step began and did not end, so that the state is
    inconsistent. `notify` is called with a line for people. Outside the main thread, which alone gets signals, it does nothing.
    """

    def __init__(self, notify: Callable[[str], None]) -> None:
        self.notify = notify
        self.pending = False
        self.mid_step = False
        self.previous_handlers: dict[signal.Signals, object] = {}

    def __enter__(self) -> DeferredSignals:
        if threading.current_thread() is threading.main_thread():
            self.previous_handlers = {number: signal.signal(number, self.handle) for number in heeded_signals()}
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self.previous_handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handles a signal: defers it, or raises KeyboardInterrupt."""
        if not self.mid_step or self.pending:
            raise KeyboardInterrupt
        self.pending = True
        self.notify("stopping after this step, then saving; again to stop at once")

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Marks a step that must be whole at its end; one that raises stays `mid_step`."""
        self.mid_step = True
        yield
        self.mid_step = False


@contextmanager
def restored_signals() -> Iterator[None]:
    """Puts the signal handlers back as they were when `graceful_interrupt` has changed them."""
    before = {number: signal.getsignal(number) for number in heeded_signals()}
    try:
        yield
    except KeyboardInterrupt:
        for number, handler in before.items():
            signal.signal(number, handler)
        raise


@contextmanager
def graceful_interrupt(notify: Callable[[str], None]) -> Iterator[None]:
    """Says at the first Ctrl-C what it waits for. Before it is said, the next one has become the end of the process."""
    try:
        yield
    except KeyboardInterrupt:
        for number in heeded_signals():
            signal.signal(number, exit_now)
        notify("stopping when the steps under way are done; Ctrl-C again stops at once")
        raise


def exit_now(number: int, frame: FrameType | None) -> None:
    """Ends the process: its threads cannot be ended singly. The next run clears up after it."""
    with suppress(OSError):  # the terminal may be gone
        os.write(2, b"error: interrupted at once: run the same command again to go on\n")
    os._exit(Exit.INTERRUPTED)
