"""A run of `laa batch`: the lock, the manifest, the executor, the summary."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import torch

from ..console import Screen
from ..errors import Exit, LaaError, UsageError
from ..photo import unmuted
from ..photo.signing import Signer
from ..process import load_once
from ..upscale import Upscaler
from ..utils.inputs import NO_INPUTS, Inputs
from ..utils.locks import locked
from ..utils.partial import remove_partial_files
from ..utils.signals import graceful_interrupt, restored_signals
from ..utils.storage import LocalStorage
from ..utils.walk import unreadable_message
from .executor import Executor, ThreadPipeline, usable_cpus
from .gallery import write_gallery
from .manifest import Manifest, Recipe, Status, status_of
from .messages import check_gallery_place, check_persons, notify_left_out, notify_mark, notify_plain, report_photo
from .microbatch import MicroBatcher, micro_batch_size
from .scan import NameFilter, PhotoFile, ScanResult, check_folders, file_state, scan
from .summary import Counts
from .task import BatchContext, PhotoTask
from .thumbnails import has_proof
from .unit_manifest import fold_unit_manifests


@dataclass(frozen=True, kw_only=True)
class BatchRequest:
    """What to do with a folder. UsageError where source and out do not fit each other."""

    source: Path
    out: Path
    recipe: Recipe
    memory_bytes: int
    selection: NameFilter = field(default_factory=NameFilter)
    overwrite: bool = False
    retry_failed: bool = False
    report: bool = False
    prove: bool = False
    json: bool = False
    signer: Signer | None = None  # fits the recipe's
    workers: int = field(default_factory=usable_cpus)

    def __post_init__(self) -> None:
        """Resolves both folders."""
        if self.prove and not self.report:
            raise UsageError("proof is part of the report: add --report", "proof")
        for name, folder in zip(("source", "out"), check_folders(self.source, self.out), strict=True):
            object.__setattr__(self, name, folder)


def run(
    request: BatchRequest, load: Callable[[], Upscaler], screen: Screen, through: Callable[[Batch], None] | None = None
) -> Exit:
    """Does a folder and returns the exit code. What was done before, with the same recipe from the same photos, stays.

    `through`: how the photos come, by default all at once (`Batch.run_once`), or as they arrive (`watch.watch`).
    """
    busy = f"another `laa batch` is writing to {request.out}: wait until it ends, or choose another folder"
    with locked(request.out, busy), opened_manifest(request.out) as manifest:
        remove_partial_files(request.out, deep=True)
        for complaint in manifest.complaints():
            screen.notice(complaint)
        batch = Batch(request, manifest, load, screen)
        try:
            (through or Batch.run_once)(batch)
        except LaaError as error:
            if batch.counts.done and error.code == Exit.FAILED:
                error.code = Exit.PARTLY  # what was written stays
            raise
        finally:
            batch.counts.show(screen)
            notify_plain(screen, batch.counts, request.recipe.background)
            notify_mark(screen, batch.counts, request.recipe)
        return batch.counts.exit_code


def opened_manifest(out: Path) -> Manifest:
    """Opens the manifest, with what runs over storages have added to the folder. SetupError where it cannot be used."""
    fold_unit_manifests(out)
    return Manifest(out)


def make_executor(request: BatchRequest) -> Executor[PhotoTask]:
    """Builds what runs the photos: the one line to change for another executor."""
    return ThreadPipeline[PhotoTask](request.workers, request.memory_bytes, lambda: torch.set_num_threads(1))


class Batch:
    """A folder of results that is this run's alone. The models are loaded where a photo is to be done."""

    def __init__(self, request: BatchRequest, manifest: Manifest, load: Callable[[], Upscaler], screen: Screen) -> None:
        self.request = request
        self.manifest = manifest
        self.load = load_once(load)
        self.screen = screen
        self.counts = Counts()
        self.inputs = NO_INPUTS

    def scan(self) -> ScanResult:
        """Lists what the folder holds now; nothing that is written from then on is any of it.

        A folder in it that cannot be read is said once, until it can.
        """
        source, out = self.request.source, self.request.out
        found = scan(source, out, self.request.selection)
        for folder, reason in found.unreadable.items():
            if folder not in self.counts.unreadable:
                self.screen.error(unreadable_message(folder, reason))
        self.counts.unreadable = found.unreadable
        read = [photo.path for photo in found.photos] + self.request.recipe.models.files
        read += self.request.signer.identity.files if self.request.signer else []
        try:
            self.inputs = Inputs.in_folder(source, out, read)
        except OSError as error:
            raise LaaError(f"cannot read {error.filename}: {error.strerror}: check that it is there") from error
        return found

    def run_once(self) -> None:
        """Does the folder as it is. LaaError where there is no photo in it."""
        found = self.scan()
        if not found.photos:
            raise LaaError(f"no photo in {self.request.source}: {found.ignored} other files were passed over")
        self.process(found)
        self.write_gallery(found)
        self.check_persons(found)

    def check_persons(self, found: ScanResult) -> None:
        """Raises LaaError where no photo has a face of the persons asked for."""
        records = (self.manifest.records.get(photo.name) for photo in found.photos)
        names = {face.get("name", "") for record in records if record for face in record.get("faces", [])} - {""}
        check_persons(self.request.recipe.persons, names, self.request.source)

    def write_gallery(self, found: ScanResult) -> None:
        """Writes the gallery of the photos found, if it was asked for."""
        if self.request.report:
            names = (photo.name for photo in found.photos)
            photos, results = LocalStorage(self.request.source), LocalStorage(self.request.out, self.inputs)
            self.screen.say(f"gallery: {write_gallery(names, self.manifest.records, photos, results)}")

    def process(self, found: ScanResult) -> None:
        """Does what is to be done of the photos found, and counts the others. LaaError where the gallery has no place."""
        if self.request.report:
            check_gallery_place((photo.output for photo in found.photos), LocalStorage(self.request.source))
        started = time.perf_counter()
        status = status_of(found.photos, self.request.out, self.request.recipe, self.manifest)
        if self.request.prove:
            self.add_unproved(status)
        self.counts.add_earlier(len(status.done), [self.manifest.records[photo.name] for photo in status.failed])
        self.counts.ignored = found.ignored
        todo = self.failed_before(status) if self.request.retry_failed else status.todo
        left_out = len(status.todo) + len(status.failed) - len(todo)
        notify_left_out(self.screen, left_out, retry_failed=self.request.retry_failed)
        try:
            if todo:
                self.run_tasks(todo)
        finally:
            self.counts.seconds += time.perf_counter() - started

    def add_unproved(self, status: Status) -> None:
        """Adds the photos that an earlier run did without proofs to those that are to be done."""
        records, results = self.manifest.records, LocalStorage(self.request.out)
        status.todo += [photo for photo in status.done if not has_proof(records[photo.name], results)]
        status.done = [photo for photo in status.done if has_proof(records[photo.name], results)]

    def failed_before(self, status: Status) -> list[PhotoFile]:
        """The photos whose last record is a failure, be it their own or one of the moment."""
        records = ((photo, self.manifest.records.get(photo.name)) for photo in status.todo)
        return [*status.failed, *(photo for photo, record in records if record is not None and record["error"])]

    def run_tasks(self, photos: list[PhotoFile]) -> None:
        """Runs the photos through the executor."""
        upscaler = self.load()
        with (
            single_threaded_libraries(),
            MicroBatcher(upscaler.restore, micro_batch_size(upscaler.restore)) as micro_batcher,
            self.screen.progress(len(photos)) as progress,
        ):
            context = self.make_context(upscaler, micro_batcher)
            executor = make_executor(self.request)
            with restored_signals(), executor, graceful_interrupt(self.notify):
                for task in executor.run(PhotoTask(photo, context) for photo in largest_first(photos)):
                    self.counts.add(task.record)
                    progress.advance(len(task.record.get("faces", [])))
                    report_photo(self.screen, task.record, json=self.request.json)

    def make_context(self, upscaler: Upscaler, micro_batcher: MicroBatcher) -> BatchContext:
        """What the tasks share."""
        return BatchContext(
            photos=LocalStorage(self.request.source),
            results=LocalStorage(self.request.out, self.inputs),
            recipe=self.request.recipe,
            records=self.manifest,
            upscaler=upscaler,
            micro_batcher=micro_batcher,
            signer=self.request.signer,
            overwrite=self.request.overwrite,
            report=self.request.report,
            prove=self.request.prove,
        )

    def notify(self, text: str) -> None:
        """Shows a notice while other threads may have muted standard error."""
        with unmuted():
            self.screen.notice(text)


def largest_first(photos: list[PhotoFile]) -> list[PhotoFile]:
    """Sorts by falling file size, so that at the end every processor has small photos left, rather than one a large one."""
    return sorted(photos, key=lambda photo: (file_state(photo.path) or (0, 0))[0], reverse=True)


@contextmanager
def single_threaded_libraries() -> Iterator[None]:
    """torch and OpenCV without threads of their own, for the photos have them; no warnings, whose switch is not thread-safe."""
    torch_threads = torch.get_num_threads()
    opencv_threads = cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_num_threads(torch_threads)
        cv2.setNumThreads(opencv_threads)
