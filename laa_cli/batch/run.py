"""A run of `laa batch`: the lock, the manifest, the engine, the summary."""

from __future__ import annotations

import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import cv2
import torch

from ..console import Screen
from ..errors import Exit, LaaError, SetupError
from ..photo import unmuted
from ..single.run import Loaded
from ..upscale import Upscaler
from ..utils.atomic import remove_partial_files
from ..utils.locks import locked
from .executor import ThreadPipeline, usable_cpus
from .gallery import write_gallery
from .manifest import Manifest, Recipe, Status, status_of
from .microbatch import MicroBatcher, micro_batch_size
from .scan import NameFilter, PhotoFile, ScanResult, check_folders, scan, state_of
from .summary import Counts
from .task import BatchContext, PhotoTask

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class BatchRequest:
    """What to do with a folder. LaaError (usage) where source and out do not fit each other."""

    source: Path
    out: Path
    recipe: Recipe
    memory_bytes: int
    selection: NameFilter = field(default_factory=NameFilter)
    overwrite: bool = False
    retry_failed: bool = False
    report: bool = False
    json: bool = False
    workers: int = field(default_factory=usable_cpus)

    def __post_init__(self) -> None:
        """Resolves both folders."""
        for name, folder in zip(("source", "out"), check_folders(self.source, self.out), strict=True):
            object.__setattr__(self, name, folder)


class Batch:
    """A folder of results that is this run's alone. The models are loaded where a photo is to be done."""

    def __init__(self, job: BatchRequest, manifest: Manifest, load: Callable[[], Upscaler], screen: Screen) -> None:
        self.request, self.manifest, self.load, self.screen = job, manifest, Loaded(load), screen
        self.counts = Counts()

    def scan(self) -> ScanResult:
        """What the folder holds now."""
        return scan(self.request.source, self.request.out, self.request.selection)

    def run_once(self) -> None:
        """Does the folder as it is. LaaError where there is no photo in it."""
        found = self.scan()
        if not found.photos:
            raise LaaError(f"no photo in {self.request.source}: {found.ignored} other files were passed over")
        self.process(found)
        self.gallery(found)

    def gallery(self, found: ScanResult) -> None:
        """Writes the gallery of the photos found, if it was asked for."""
        if self.request.report:
            self.screen.say(f"gallery: {write_gallery(found.photos, self.request.out, self.manifest)}")

    def process(self, found: ScanResult) -> None:
        """Does what is to be done of the photos found, and counts the others."""
        started = time.perf_counter()
        standing = status_of(found.photos, self.request.out, self.request.recipe, self.manifest)
        self.counts.skipped += len(standing.done)
        self.counts.ignored = found.ignored
        self.counts.failures |= {photo.name: self.manifest.records[photo.name]["error"] for photo in standing.failed}
        todo = self.failed_before(standing) if self.request.retry_failed else standing.todo
        self.say_what_is_left(len(standing.todo) + len(standing.failed) - len(todo))
        try:
            if todo:
                self.work(todo)
        finally:
            self.counts.seconds += time.perf_counter() - started

    def say_what_is_left(self, count: int) -> None:
        """Why photos that are to be done, or could be tried again, are not."""
        if count and self.request.retry_failed:
            self.screen.notice(f"new or changed photos, left for a run without --retry-failed: {count}")
        elif count:
            self.screen.notice(f"photos that failed in an earlier run and are as they were: {count}; --retry-failed tries them")

    def failed_before(self, standing: Status) -> list[PhotoFile]:
        """The photos whose last record is a failure, be it their own or one of the moment."""
        errors = (self.manifest.records.get(photo.name, {}).get("error") for photo in standing.todo)
        return [*standing.failed, *(photo for photo, error in zip(standing.todo, errors, strict=True) if error)]

    def work(self, photos: list[PhotoFile]) -> None:
        """Runs the photos through the engine."""
        upscaler: Upscaler = self.load()
        size = micro_batch_size(upscaler.restore)
        with (
            single_threaded_libraries(),
            MicroBatcher(upscaler.restore, size) as together,
            self.screen.progress(len(photos)) as bar,
        ):
            shop = BatchContext(
                self.request.out,
                self.request.recipe,
                self.manifest,
                upscaler,
                together,
                self.request.overwrite,
                self.request.report,
            )
            engine: ThreadPipeline[PhotoTask] = ThreadPipeline(
                self.request.workers, self.request.memory_bytes, lambda: torch.set_num_threads(1)
            )
            with restored_signals(), engine, graceful_interrupt(self.screen):
                for errand in engine.run(PhotoTask(photo, shop) for photo in largest_first(photos)):
                    self.counts.add(errand.record)
                    bar.advance(len(errand.record.get("faces", [])))
                    self.report_photo(errand)

    def report_photo(self, errand: PhotoTask) -> None:
        """Reports a photo that is done."""
        if self.request.json:
            self.screen.record(errand.record)
        if errand.record["error"] is not None:
            with unmuted():
                self.screen.error(errand.record["error"])


def run(
    job: BatchRequest, load: Callable[[], Upscaler], screen: Screen, through: Callable[[Batch], None] = Batch.run_once
) -> Exit:
    """Does a folder and returns the exit code. What was done before, with the same recipe from the same photos, stays.

    `through`: how the photos come, all at once or as they arrive (`watch.watch`).
    """
    busy = f"another `laa batch` is writing to {job.out}: wait until it ends, or choose another folder"
    with locked(job.out, busy), Manifest(job.out) as manifest:
        remove_partial_files(job.out)
        batch = Batch(job, manifest, load, screen)
        try:
            through(batch)
        except SetupError as error:
            raise SetupError(str(error), Exit.PARTLY if batch.counts.done else error.code) from error
        finally:
            batch.counts.show(screen)
        return batch.counts.exit_code


def largest_first(photos: list[PhotoFile]) -> list[PhotoFile]:
    """By falling size of their files, so that at the end every processor has small photos left, rather than one a large one."""
    return sorted(photos, key=lambda photo: (state_of(photo.path) or (0, 0))[0], reverse=True)


@contextmanager
def single_threaded_libraries() -> Iterator[None]:
    """torch and OpenCV without threads of their own, for the photos have them; no warnings, whose switch is not thread-safe."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


@contextmanager
def restored_signals() -> Iterator[None]:
    """Puts the signals back as they were when `announced` has changed them."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    except KeyboardInterrupt:
        for number, handler in before.items():
            signal.signal(number, handler)
        raise


@contextmanager
def graceful_interrupt(screen: Screen) -> Iterator[None]:
    """Says at the first Ctrl-C what it waits for. Before it is said, the next one has become the end of the process."""
    try:
        yield
    except KeyboardInterrupt:
        for number in SIGNALS:
            signal.signal(number, exit_now)
        with unmuted():
            screen.notice("stopping when the steps under way are done; Ctrl-C again stops at once")
        raise


def exit_now(number: int, frame: FrameType | None) -> None:
    """Ends the process: its threads cannot be ended singly. The next run clears up after it."""
    os.write(2, b"error: interrupted at once: run the same command again to go on\n")
    os._exit(Exit.INTERRUPTED)
