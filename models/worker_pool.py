"""Workers: threads that each compute with one thread of torch's, so that their number changes no bit of a result."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

IN_FLIGHT = 2  # items for each worker that are begun before the first one's result is taken


class Workers:
    """Applies functions to items side by side, in inference mode; results come in the items' order.

    Without a `pool` the caller does it, one item at a time. `in_flight`: how many items are begun at any time.
    """

    def __init__(self, pool: ThreadPoolExecutor | None, count: int, in_flight: int) -> None:
        self.pool = pool
        self.count = count
        self.in_flight = in_flight

    def at_most(self, count: int) -> Workers:
        """Returns the same workers, of whom no more than `count` work at once."""
        return Workers(self.pool, min(self.count, count), count)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yields `function(item)` of each item; few results wait at any time. What it raises is raised here."""

        def compute(item: Item) -> Result:
            with torch.inference_mode():
                return function(item)

        if self.pool is None:
            yield from map(compute, items)
            return
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                if len(waiting) == self.in_flight:
                    yield waiting.popleft().result()
                waiting.append(self.pool.submit(compute, item))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def run(self, function: Callable[[Item], object], items: Iterable[Item]) -> None:
        """Applies a function to items for what it does with them."""
        for _ in self.map(function, items):
            pass


@contextmanager
def one_thread_workers(count: int | None = None) -> Iterator[Workers]:
    """Starts `count` workers, by default as many as torch has threads. The caller itself is the only one where that is 1."""
    threads = torch.get_num_threads()
    count = count or threads
    if count == 1 and threads == 1:
        yield Workers(None, 1, 1)
        return
    with ThreadPoolExecutor(count, initializer=use_one_thread) as pool:
        barrier = Barrier(count)
        list(pool.map(lambda _: barrier.wait(), range(count)))  # all have begun, so that what follows is the last word
        torch.set_num_threads(threads)  # the workers' 1 is torch's default for later threads, too
        try:
            yield Workers(pool, count, IN_FLIGHT * count)
        finally:
            pool.shutdown(cancel_futures=True)


def use_one_thread() -> None:
    """Has torch compute with one thread in this one, whatever is set elsewhere later."""
    torch.get_num_threads()  # what the first call in a thread sets would be the last word otherwise
    torch.set_num_threads(1)
