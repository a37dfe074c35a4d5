"""The executor of `laa batch`: a pipeline of threads (one reads ahead, some work, one writes). It knows nothing of photos.

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
from typing import Generic, Protocol, Self, TypeVar

from ..errors import SetupError, UsageError

UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}  # powers of two


class Task(Protocol):
    """Something to do. An exception of `read` or `work` is put into `error`, and `write` comes all the same."""

    error: Exception | None

    def size(self) -> int:
        """Estimates the bytes of memory it will take."""

    def read(self) -> None:
        """Comes first, one task at a time, in their order."""

    def work(self) -> Iterator[object]:
        """Comes second, side by side with other tasks; may be given up at each yield."""

    def write(self) -> None:
        """Comes last, one task at a time. What it raises ends the run."""


T = TypeVar("T", bound=Task)


class Executor(Protocol[T]):
    """Runs tasks within a budget of memory, in a `with` block whose end, however it comes, leaves no task half written.

    Contract: `write` runs in this process, one task at a time, for every task whose other stages were run or failed; once the
    run is to end no further `write` begins, and the block's end waits for the one under way. Where and when the other stages
    run is the executor's affair. One that works elsewhere (another process, a cluster) can take a `PhotoTask` apart: send
    `read_file()` and `request` to `laa_cli.process.process` there, and hand its result to `accept`; a LaaError there counts
    as the photo's own: it is not tried again.
    """

    def run(self, tasks: Iterable[T]) -> Iterator[T]:
        """Yields tasks as they are written, in any order. Raises a stage's SetupError, and what `write` or `tasks` raise."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class ThreadPipeline(Generic[T]):
    """The executor of one machine: a reader, `workers` workers and a writer, each a thread, with queues between them."""

    def __init__(self, workers: int, memory_bytes: int, init_thread: Callable[[], None] = lambda: None) -> None:
        """`init_thread` is called first in every thread."""
        self.workers = workers
        self.budget = MemoryBudget(memory_bytes)
        self.init_thread = init_thread
        self.stopping = threading.Event()
        self.fatal_error: BaseException | None = None
        self.threads: list[threading.Thread] = []
        self.work_queue: Queue[tuple[T, int] | None] = Queue(workers)
        self.write_queue: Queue[tuple[T, int] | None] = Queue()  # bounded by the budget and the number of workers
        self.done_queue: SimpleQueue[T | None] = SimpleQueue()

    def run(self, tasks: Iterable[T]) -> Iterator[T]:
        """Yields tasks as they are written. Raises what ended the run."""
        loops = [lambda: self.read_loop(tasks), *[self.work_loop] * self.workers, self.write_loop]
        self.threads = [threading.Thread(target=self.run_thread, args=(loop,), daemon=True) for loop in loops]
        for thread in self.threads:
            thread.start()
        while (task := self.done_queue.get()) is not None:
            yield task
        if self.fatal_error is not None:
            raise self.fatal_error

    def run_thread(self, loop: Callable[[], None]) -> None:
        """Runs one thread's loop."""
        self.init_thread()
        loop()

    def read_loop(self, tasks: Iterable[T]) -> None:
        """Reads tasks ahead as memory allows, and hands them to the workers."""
        try:
            for task in tasks:
                size = task.size()
                self.budget.acquire(size)
                self.run_stage(task, task.read)
                self.work_queue.put((task, size))
                if self.stopping.is_set():
                    break
        except BaseException as error:
            self.stop(error)
        for _ in range(self.workers):
            self.work_queue.put(None)

    def work_loop(self) -> None:
        """Works on one task after the other."""
        while (item := self.work_queue.get()) is not None:
            self.run_stage(item[0], partial(self.run_work, item[0]))
            self.write_queue.put(item)
        self.write_queue.put(None)

    def write_loop(self) -> None:
        """Writes tasks, until every worker has ended."""
        working = self.workers
        while working:
            item = self.write_queue.get()
            if item is None:
                working -= 1
                continue
            self.write_task(item[0])
            self.budget.release(item[1])
        self.done_queue.put(None)

    def write_task(self, task: T) -> None:
        """Writes a task, unless the run is over."""
        if self.stopping.is_set():
            return
        try:
            task.write()
        except BaseException as error:
            self.stop(error)
            return
        self.done_queue.put(task)

    def run_work(self, task: T) -> None:
        """Runs a task's work, which is given up when the run ends."""
        for _ in task.work():
            if self.stopping.is_set():
                return

    def run_stage(self, task: T, stage: Callable[[], None]) -> None:
        """Runs a stage of a task that has not failed yet."""
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
        self.fatal_error = self.fatal_error or error
        self.stopping.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Waits for the stages that are running."""
        self.stop()
        if all(thread.ident for thread in self.threads):  # else Ctrl-C came before all had started: there is nothing to lose
            for thread in self.threads:
                thread.join()


class MemoryBudget:
    """Shares of `total` bytes. What is larger than all of it may run alone."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.taken = 0
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


def parse_size(text: str | None) -> int:
    """Parses "4G", "500M" and the like to bytes; None: half of the machine's memory. Raises UsageError."""
    if text is None and not hasattr(os, "sysconf"):
        raise UsageError("memory must be given on this system, such as 4G", "memory")
    if text is None:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    number = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    size = int(float(number[1]) * (1 << UNITS[number[2].upper()])) if number else 0
    if size < 1:
        raise UsageError(f"memory must be a size such as 4G or 500M, not {text}", "memory")
    return size


def usable_cpus() -> int:
    """Counts the CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
