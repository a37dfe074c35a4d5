"""Threads that keep several tasks under way: one reads ahead, some work, one writes. It knows nothing of photos.

Why whole tasks side by side, rather than the threads of torch inside of one: most of a photo's time goes to what runs on one
thread (codecs, small networks), and torch's threads wait for each other. Everything slow releases Python's lock.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from queue import Queue, SimpleQueue
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from ..errors import Exit, LaaError, SetupError


class Task(Protocol):
    """Something to do. An exception of `read` or `work` is put into `error`, and `write` comes all the same."""

    error: Exception | None

    def size(self) -> int:
        """Bytes of memory it will take."""

    def read(self) -> None:
        """Comes first, one task at a time, in their order."""

    def work(self) -> Iterator[None]:
        """Comes second, side by side with other tasks; may be given up at each yield."""

    def write(self) -> None:
        """Comes last, one task at a time. What it raises ends the run."""


T = TypeVar("T", bound=Task)


class ThreadPipeline(Generic[T]):
    """Runs tasks within a budget of memory, in a `with` block whose end, however it comes, leaves no task half written."""

    def __init__(self, workers: int, memory_bytes: int, begin: Callable[[], None] = lambda: None) -> None:
        """`begin` is called first in every thread."""
        self.workers, self.budget, self.begin = workers, MemoryBudget(memory_bytes), begin
        self.stopping = threading.Event()
        self.fatal: BaseException | None = None
        self.threads: list[threading.Thread] = []
        self.ready: Queue[tuple[T, int] | None] = Queue(workers)
        self.worked: Queue[tuple[T, int] | None] = Queue()  # bounded by the budget and the number of workers
        self.done: SimpleQueue[T | None] = SimpleQueue()

    def run(self, tasks: Iterable[T]) -> Iterator[T]:
        """Tasks that are done, as they become so. Raises what ended the run."""
        loops = [lambda: self.read_loop(tasks), *[self.work_loop] * self.workers, self.write_loop]
        self.threads = [threading.Thread(target=self.run_thread, args=(loop,), daemon=True) for loop in loops]
        for thread in self.threads:
            thread.start()
        while (task := self.done.get()) is not None:
            yield task
        if self.fatal is not None:
            raise self.fatal

    def run_thread(self, loop: Callable[[], None]) -> None:
        """A thread's life."""
        self.begin()
        loop()

    def read_loop(self, tasks: Iterable[T]) -> None:
        """Hands on tasks as memory allows."""
        try:
            for task in tasks:
                size = task.size()
                self.budget.acquire(size)
                self.run_stage(task, task.read)
                self.ready.put((task, size))
                if self.stopping.is_set():
                    break
        except BaseException as error:
            self.stop(error)
        for _ in range(self.workers):
            self.ready.put(None)

    def work_loop(self) -> None:
        """Works on one task after the other."""
        while (item := self.ready.get()) is not None:
            self.run_stage(item[0], partial(self.run_work, item[0]))
            self.worked.put(item)
        self.worked.put(None)

    def write_loop(self) -> None:
        """Ends tasks, until every worker has ended."""
        left = self.workers
        while left:
            item = self.worked.get()
            if item is None:
                left -= 1
                continue
            self.finish(item[0])
            self.budget.release(item[1])
        self.done.put(None)

    def finish(self, task: T) -> None:
        """Writes a task, unless the run is over."""
        if self.stopping.is_set():
            return
        try:
            task.write()
        except BaseException as error:
            self.stop(error)
            return
        self.done.put(task)

    def run_work(self, task: T) -> None:
        """A task's work, given up when the run ends."""
        for _ in task.work():
            if self.stopping.is_set():
                return

    def run_stage(self, task: T, stage: Callable[[], None]) -> None:
        """A stage of a task that has not failed yet."""
        if task.error is not None or self.stopping.is_set():
            return
        try:
            stage()
        except SetupError as error:
            self.stop(error)
        except Exception as error:
            task.error = error

    def stop(self, error: BaseException | None = None) -> None:
        """Lets every thread run dry; `error` is what the run ends with."""
        self.fatal = self.fatal or error
        self.stopping.set()

    def __enter__(self) -> ThreadPipeline[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Waits for the stages that are running."""
        self.stop()
        if all(thread.ident for thread in self.threads):  # else Ctrl-C came before all had started: there is nothing to lose
            for thread in self.threads:
                thread.join()


def usable_cpus() -> int:
    """How many there are for this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# A budget of memory that the photos under way share.


UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
# Measured peaks over what the models take: bytes for each pixel of the photo (detection) and of the enlargement, 8 bits, RGB
DETECTION_BYTES, ENLARGEMENT_BYTES = 60, 10


def parse_size(text: str | None) -> int:
    """Bytes of "4G", "500M" and the like; half of the machine's memory where nothing is said. LaaError (usage)."""
    if text is None:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    number = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    size = int(float(number[1]) * (1 << UNITS[number[2].upper()])) if number else 0
    if size < 1:
        raise LaaError(f"--memory must be a size such as 4G or 500M, not {text}", Exit.USAGE)
    return size


def estimate_bytes(pixels: int, scale: int, file_bytes: int) -> int:
    """Most bytes that a photo of so many pixels takes on its way."""
    return file_bytes + pixels * (DETECTION_BYTES + ENLARGEMENT_BYTES * scale**2)


class MemoryBudget:
    """Shares of `total` bytes. What is larger than all of it may run alone."""

    def __init__(self, total: int) -> None:
        self.total, self.taken = total, 0
        self.changed = threading.Condition()

    def acquire(self, size: int) -> None:
        """Waits until there is room. For one thread only: with several, a large photo could wait for ever."""
        with self.changed:
            self.changed.wait_for(lambda: self.taken == 0 or self.taken + size <= self.total)
            self.taken += size

    def release(self, size: int) -> None:
        """Makes room again."""
        with self.changed:
            self.taken -= size
            self.changed.notify_all()
