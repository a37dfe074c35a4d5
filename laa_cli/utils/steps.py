"""Long work as a generator: it yields the share done, may be given up at each yield, and returns its result."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

T = TypeVar("T")
Steps = Generator[float, None, T]  # yields the share done, 0..1
Show = Callable[[float], None]  # shows people such a share


def unseen(share: float) -> None:
    """A `Show` that shows nothing."""


def run_to_end(steps: Steps[T], show: Show = unseen) -> T:
    """Runs all steps, shows the share done after each, and returns the result."""
    try:
        while True:
            show(next(steps))
    except StopIteration as end:
        result: T = end.value
        return result
