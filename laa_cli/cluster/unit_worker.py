"""A worker: loads the models once and does units, in this process or, as a Ray actor, in one of its own."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from functools import cached_property

import torch

from ..batch.executor import ThreadPipeline
from ..batch.manifest import Recipe
from ..batch.microbatch import MicroBatcher, micro_batch_size
from ..batch.run import single_threaded_libraries
from ..batch.schema import ManifestRecord
from ..batch.task import BatchContext, PhotoTask
from ..batch.unit_manifest import begun_path, parse_lines, to_lines, write_unit_manifest
from ..errors import LaaError, SetupError
from ..photo.signing import Signer
from ..process import load_once
from ..upscale import Upscaler
from ..utils.inputs import Inputs
from ..utils.storage import LocalStorage, Storage
from .record_reader import RecordReader
from .unit import Action, Event, Fatal, Notice, PhotoDone, Unit, UnitDone, UnitPhoto
from .unit_tasks import make_task
from .worker_settings import MachineReport, WorkerSettings

FAILURES_IN_A_ROW = 5  # of the moment, after which storages are looked at


class UnitRecords:
    """The records of a unit, in memory until its manifest is written. `outputs`: as `batch.task.Records`."""

    def __init__(self, outputs: frozenset[str]) -> None:
        self.outputs = outputs
        self.records: list[ManifestRecord] = []

    def append(self, record: ManifestRecord) -> None:
        self.records.append(record)


class UnitWorker:
    """Does units, one at a time. `stop` may be called from another thread meanwhile."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self.notices: list[str] = []
        self.load = load_once(lambda: settings.load(settings.settled_models(), self.notices.append))
        self.stopping = threading.Event()
        self.pipeline: ThreadPipeline[PhotoTask] | None = None

    @cached_property
    def recipe(self) -> Recipe:
        """What all results are made with."""
        return self.settings.recipe()

    @cached_property
    def signer(self) -> Signer | None:
        """Who signs the results, if anybody does."""
        return self.settings.signer()

    @cached_property
    def reader(self) -> RecordReader:
        """Reads earlier records; units one after the other often need the same manifests."""
        return RecordReader(self.settings.open()[1])

    def describe(self) -> MachineReport:
        """Looks at the machine that the worker is on."""
        return MachineReport.of_this(self.settings)

    def stop(self) -> None:
        """Lets the photos under way end, and the unit with them; no other photo begins."""
        self.stopping.set()
        if self.pipeline is not None:
            self.pipeline.stop()

    def run(self, unit: Unit, only: str | None = None) -> Generator[Event, None, None]:
        """Does a unit, or one photo of it, whose record is then left to the caller. Yields the photos as they are done."""
        try:
            photos, results = self.open_storages(unit)
            ours = begun_outputs(unit, results)
            if only is None:
                begin(unit, results, overwrite=self.settings.overwrite)
            records = UnitRecords(ours | {photo.output for photo in unit.photos if photo.replaceable})
            chosen = [photo for photo in unit.photos if only in (None, photo.name)]
            try:
                yield from self.run_photos(chosen, photos, results, records)
            except BaseException:  # the run is given up; what was done holds
                with suppress(LaaError):
                    self.finish(unit, only, results, records, ours)
                raise
            yield UnitDone(self.finish(unit, only, results, records, ours))
        except LaaError as error:
            yield Fatal(error.for_command_line(), error.code)

    def finish(self, unit: Unit, only: str | None, results: Storage, records: UnitRecords, ours: frozenset[str]) -> bool:
        """Writes a unit's manifest; that of one photo is the caller's. Returns whether all is recorded. Raises LaaError.

        `ours`: results that an earlier attempt may have made, which are not forgotten where this one has none.
        """
        done = {record["input"] for record in records.records}
        if only is not None:
            return only in done
        whole = len(done) == len(unit.photos)
        failed = {record["output"] for record in records.records if record["error"] is not None}
        write_unit_manifest(results, unit.name, records.records, settled=whole and not failed & ours)
        return whole

    def open_storages(self, unit: Unit) -> tuple[Storage, Storage]:
        """Opens the photos and the results; nothing that a local unit reads can be written over. Raises LaaError."""
        photos, results = self.settings.open()
        if isinstance(results, LocalStorage):
            read = [*self.settings.models.files, self.settings.certificate, self.settings.key]
            try:
                if isinstance(photos, LocalStorage):
                    read += [photos.local_path(photo.name) for photo in unit.photos]
                    results.inputs = Inputs.in_folder(photos.folder, results.folder, filter(None, read))
                else:
                    results.inputs = Inputs.of(read)
            except OSError as error:
                raise SetupError(f"cannot read {error.filename}: {error.strerror}: check that it is there") from error
        return photos, results

    def run_photos(self, chosen: list[UnitPhoto], photos: Storage, results: Storage, records: UnitRecords) -> Iterator[Event]:
        """Runs photos through the local batch's pipeline, the largest first."""
        earlier = self.read_earlier(chosen, results)
        upscaler = self.load()
        yield from map(Notice, self.notices)
        self.notices.clear()
        with (
            single_threaded_libraries(),
            MicroBatcher(upscaler.restore, micro_batch_size(upscaler.restore)) as micro_batcher,
            ThreadPipeline[PhotoTask](
                self.settings.cpus, self.settings.memory_bytes, lambda: torch.set_num_threads(1)
            ) as self.pipeline,
        ):
            context = self.make_context(upscaler, micro_batcher, photos, results, records)
            if self.stopping.is_set():
                self.pipeline.stop()
            largest_first = sorted(chosen, key=lambda photo: photo.status.size, reverse=True)
            failures = 0
            for task in self.pipeline.run(make_task(photo, context, earlier.get(photo.name)) for photo in largest_first):
                failures = failures + 1 if is_momentary(task.record) else 0
                if failures and failures % FAILURES_IN_A_ROW == 0:
                    check_reachable(photos, task.source.name)
                    check_reachable(results, begun_path("any"))
                yield PhotoDone(task.record, task.is_fresh)

    def read_earlier(self, chosen: list[UnitPhoto], results: Storage) -> dict[str, ManifestRecord]:
        """Reads the earlier records that the photos' actions need, by name. SetupError where a manifest cannot be read."""
        try:
            return self.reader.read((photo.manifest, photo.name) for photo in chosen if photo.manifest is not None)
        except OSError as error:
            reason = error.strerror or str(error)
            raise SetupError(f"cannot read the manifests in {results.place}: {reason}: run the command again") from error

    def make_context(
        self, upscaler: Upscaler, micro_batcher: MicroBatcher, photos: Storage, results: Storage, records: UnitRecords
    ) -> BatchContext:
        """What the tasks of a unit share."""
        settings = self.settings
        return BatchContext(
            photos=photos,
            results=results,
            recipe=self.recipe,
            records=records,
            upscaler=upscaler,
            micro_batcher=micro_batcher,
            signer=self.signer,
            overwrite=settings.overwrite,
            report=settings.report,
            prove=settings.prove,
        )


def is_momentary(record: ManifestRecord) -> bool:
    """Whether a photo failed by something that another run may not meet."""
    return record["error"] is not None and record["recipe"] is None


def check_reachable(storage: Storage, name: str) -> None:
    """Raises SetupError where a storage elsewhere does not answer: else every photo would wait for it, and fail."""
    if storage.local_path(name) is None:
        try:
            storage.status(name)
        except PermissionError:  # of this file, perhaps
            return
        except OSError as error:
            raise SetupError(
                f"cannot reach {storage.place}: {error.strerror or error}: then run the same command again"
            ) from error


def begin(unit: Unit, results: Storage, *, overwrite: bool) -> None:
    """Writes down which results a unit is going to make, so that they are laa's own if it is killed. Raises LaaError."""
    photos = (photo for photo in unit.photos if photo.action != Action.THUMBNAILS and (overwrite or not photo.taken))
    lines = to_lines({"input": photo.name, "output": photo.output} for photo in photos)
    results.write(begun_path(unit.name), lines, overwrite=True)


def begun_outputs(unit: Unit, results: Storage) -> frozenset[str]:
    """Reads which results an earlier attempt at the unit may have made. Raises LaaError where that cannot be read."""
    path = begun_path(unit.name)
    try:
        if results.status(path) is None:
            return frozenset()
        values = parse_lines(results.read(path))
    except OSError as error:
        raise SetupError(f"cannot read {results.locate(path)}: {error.strerror or error}: run the command again") from error
    outputs = (value.get("output") for value in values if isinstance(value, dict))
    return frozenset(output for output in outputs if isinstance(output, str))
