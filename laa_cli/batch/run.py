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
from ..files import sweep
from ..jobs import Loaded
from ..photo import heard
from ..upscale import Upscaler
from .engine import Engine, processors
from .errand import Errand, Workshop
from .gallery import write_gallery
from .lock import locked
from .manifest import Manifest
from .recipe import Recipe
from .standing import Standing, stand
from .summary import Tally
from .together import Together, batch_size
from .walk import Found, Selection, Source, check_folders, state_of, walk

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Job:
    """What to do with a folder. LaaError (usage) where source and out do not fit each other."""

    source: Path
    out: Path
    recipe: Recipe
    memory_bytes: int
    selection: Selection = field(default_factory=Selection)
    overwrite: bool = False
    retry_failed: bool = False
    report: bool = False
    json: bool = False
    workers: int = field(default_factory=processors)

    def __post_init__(self) -> None:
        """Resolves both folders."""
        for name, folder in zip(("source", "out"), check_folders(self.source, self.out), strict=True):
            object.__setattr__(self, name, folder)


class Batch:
    """A folder of results that is this run's alone. The models are loaded where a photo is to be done."""

    def __init__(self, job: Job, manifest: Manifest, load: Callable[[], Upscaler], screen: Screen) -> None:
        self.job, self.manifest, self.load, self.screen = job, manifest, Loaded(load), screen
        self.tally = Tally()

    def look(self) -> Found:
        """What the folder holds now."""
        return walk(self.job.source, self.job.out, self.job.selection)

    def once(self) -> None:
        """Does the folder as it is. LaaError where there is no photo in it."""
        found = self.look()
        if not found.photos:
            raise LaaError(f"no photo in {self.job.source}: {found.ignored} other files were passed over")
        self.go(found)
        self.gallery(found)

    def gallery(self, found: Found) -> None:
        """Writes the gallery of the photos found, if it was asked for."""
        if self.job.report:
            self.screen.say(f"gallery: {write_gallery(found.photos, self.job.out, self.manifest)}")

    def go(self, found: Found) -> None:
        """Does what is to be done of the photos found, and counts the others."""
        started = time.perf_counter()
        standing = stand(found.photos, self.job.out, self.job.recipe, self.manifest)
        self.tally.skipped += len(standing.done)
        self.tally.ignored = found.ignored
        self.tally.failures |= {photo.name: self.manifest.records[photo.name]["error"] for photo in standing.failed}
        todo = self.failed_before(standing) if self.job.retry_failed else standing.todo
        self.say_what_is_left(len(standing.todo) + len(standing.failed) - len(todo))
        try:
            if todo:
                self.work(todo)
        finally:
            self.tally.seconds += time.perf_counter() - started

    def say_what_is_left(self, count: int) -> None:
        """Why photos that are to be done, or could be tried again, are not."""
        if count and self.job.retry_failed:
            self.screen.notice(f"new or changed photos, left for a run without --retry-failed: {count}")
        elif count:
            self.screen.notice(f"photos that failed in an earlier run and are as they were: {count}; --retry-failed tries them")

    def failed_before(self, standing: Standing) -> list[Source]:
        """The photos whose last record is a failure, be it their own or one of the moment."""
        errors = (self.manifest.records.get(photo.name, {}).get("error") for photo in standing.todo)
        return [*standing.failed, *(photo for photo, error in zip(standing.todo, errors, strict=True) if error)]

    def work(self, photos: list[Source]) -> None:
        """Runs the photos through the engine."""
        upscaler: Upscaler = self.load()
        size = batch_size(upscaler.restore, getattr(upscaler.restore, "device", torch.device("cpu")))
        with one_thread_each(), Together(upscaler.restore, size) as together, self.screen.progress(len(photos)) as bar:
            shop = Workshop(
                self.job.out, self.job.recipe, self.manifest, upscaler, together, self.job.overwrite, self.job.report
            )
            engine: Engine[Errand] = Engine(self.job.workers, self.job.memory_bytes, lambda: torch.set_num_threads(1))
            with mercy(), engine, announced(self.screen):
                for errand in engine.run(Errand(photo, shop) for photo in largest_first(photos)):
                    self.tally.count(errand.record)
                    bar.advance(len(errand.record.get("faces", [])))
                    self.tell(errand)

    def tell(self, errand: Errand) -> None:
        """Reports a photo that is done."""
        if self.job.json:
            self.screen.record(errand.record)
        if errand.record["error"] is not None:
            with heard():
                self.screen.error(errand.record["error"])


def run(job: Job, load: Callable[[], Upscaler], screen: Screen, through: Callable[[Batch], None] = Batch.once) -> Exit:
    """Does a folder and returns the exit code. What was done before, with the same recipe from the same photos, stays.

    `through`: how the photos come, all at once or as they arrive (`watch.watch`).
    """
    with locked(job.out), Manifest(job.out) as manifest:
        sweep(job.out)
        batch = Batch(job, manifest, load, screen)
        try:
            through(batch)
        except SetupError as error:
            raise SetupError(str(error), Exit.PARTLY if batch.tally.done else error.code) from error
        finally:
            batch.tally.show(screen)
        return batch.tally.code


def largest_first(photos: list[Source]) -> list[Source]:
    """By falling size of their files, so that at the end every processor has small photos left, rather than one a large one."""
    return sorted(photos, key=lambda photo: (state_of(photo.path) or (0, 0))[0], reverse=True)


@contextmanager
def one_thread_each() -> Iterator[None]:
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
def mercy() -> Iterator[None]:
    """Puts the signals back as they were when `announced` has changed them."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    except KeyboardInterrupt:
        for number, handler in before.items():
            signal.signal(number, handler)
        raise


@contextmanager
def announced(screen: Screen) -> Iterator[None]:
    """Says at the first Ctrl-C what it waits for. Before it is said, the next one has become the end of the process."""
    try:
        yield
    except KeyboardInterrupt:
        for number in SIGNALS:
            signal.signal(number, at_once)
        with heard():
            screen.notice("stopping when the steps under way are done; Ctrl-C again stops at once")
        raise


def at_once(number: int, frame: FrameType | None) -> None:
    """Ends the process: its threads cannot be ended singly. The next run clears up after it."""
    os.write(2, b"error: interrupted at once: run the same command again to go on\n")
    os._exit(Exit.INTERRUPTED)
