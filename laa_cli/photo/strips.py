"""Work on strips of a photo's rows side by side, where torch may use several threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

Result = TypeVar("Result")


def map_strips(function: Callable[[slice], Result], strips: list[slice]) -> Iterator[Result]:
    """Yields `function(strip)` of each strip of rows, in their order; as many at once as torch has threads."""
    if len(strips) == 1:
        yield function(strips[0])
        return
    from models.worker_pool import one_thread_workers  # here, for torch takes long to import

    with one_thread_workers() as workers:
        yield from workers.map(function, strips)
