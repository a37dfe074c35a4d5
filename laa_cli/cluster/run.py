"""A run of `laa batch` over storages and machines: the lock, the listings, the plan, the units, the summary."""

from __future__ import annotations

import time
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace

from ..batch.executor import parse_size
from ..batch.manifest import Recipe
from ..batch.messages import check_gallery_place, check_persons, notify_left_out, notify_mark, notify_plain, report_photo
from ..batch.scan import NameFilter
from ..batch.schema import ManifestRecord
from ..batch.summary import Counts
from ..batch.thumbnails import FOLDER
from ..batch.unit_manifest import BEGUN, manifest_path
from ..console import PhotoProgress, Screen
from ..errors import Exit, LaaError, UsageError
from ..photo import unmuted
from ..utils.leases import Hold, exclusive
from ..utils.partial import remove_partial_files
from ..utils.signals import graceful_interrupt, restored_signals
from ..utils.storage import LocalStorage, Storage
from ..utils.url_storage import UrlStorage
from ..utils.walk import unreadable_message
from .executors import InProcess, UnitExecutor
from .gallery_pages import write_gallery_of
from .listing import PhotoListing, ResultListing, check_places, list_photos, list_results
from .planning import Plan, Planner, PlanOptions
from .ray_executor import RayExecutor, RayOptions
from .record_index import RecordIndex
from .unit import Notice, PhotoDone, Unit, UnitDone, cut_units, unit_size
from .worker_settings import WorkerSettings


@dataclass(frozen=True, kw_only=True)
class ClusterRequest:
    """What to do with a place of photos. `ray`: the cluster that does it; None: this process."""

    settings: WorkerSettings
    selection: NameFilter = field(default_factory=NameFilter)
    retry_failed: bool = False
    json: bool = False
    ray: RayOptions | None = None

    def __post_init__(self) -> None:
        """Checks what belongs together. Raises UsageError."""
        settings = self.settings
        if settings.prove and not settings.report:
            raise UsageError("proof is part of the report: add --report", "proof")
        if settings.memory is not None:
            parse_size(settings.memory)
        if self.ray is not None and "memory://" in (settings.source[:9], settings.out[:9]):
            raise UsageError("memory:// is this process's own, and no other's: leave ray out", "ray")


def run(request: ClusterRequest, screen: Screen) -> Exit:
    """Does a place of photos and returns the exit code. What was done before by the same recipe from the same photos stays."""
    photos, results = check_places(*request.settings.open())
    busy = f"another `laa batch` is writing to {results.place}: wait until it ends, or choose another place"
    with exclusive(results, busy, screen.notice) as lock:
        cluster_run = ClusterRun(request, photos, results, lock, screen)
        try:
            cluster_run.run()
        except LaaError as error:
            if cluster_run.counts.done and error.code == Exit.FAILED:
                error.code = Exit.PARTLY  # what was written stays
            raise
        finally:
            cluster_run.show()
        return cluster_run.counts.exit_code


def url_of(storage: Storage) -> str:
    """Returns what opens a storage again, anywhere; its password, too, which messages leave out."""
    return storage.url if isinstance(storage, UrlStorage) else storage.place


def make_executor(request: ClusterRequest, results: Storage, screen: Screen) -> UnitExecutor:
    """Builds what runs the units."""
    return InProcess() if request.ray is None else RayExecutor(request.ray, results, screen.notice)


class ClusterRun:
    """A place of results that is this run's alone."""

    def __init__(self, request: ClusterRequest, photos: Storage, results: Storage, lock: Hold, screen: Screen) -> None:
        self.request = request
        self.photos = photos
        self.results = results
        self.lock = lock
        self.screen = screen
        self.counts = Counts()
        self.index = RecordIndex(results)
        self.recipe: Recipe | None = None
        self.records: dict[str, dict[str, ManifestRecord]] = {}  # of the photos of units under way that were counted

    def run(self) -> None:
        """Does everything. LaaError where there is no photo, or nothing more can be done."""
        self.clear_partial_files()
        found = self.list_photos()
        listed = self.read_results()
        settings = replace(
            self.request.settings,
            source=url_of(self.photos),
            out=url_of(self.results),
            photos=len(found.photos),
            earlier_runtime=self.index.runtime,
            token=self.lock.token,
        )
        executor = make_executor(self.request, self.results, self.screen)
        with restored_signals(), executor, graceful_interrupt(self.notify):
            self.recipe = executor.connect(settings)
            plan = self.plan(found, listed)
            size = unit_size(len(plan.todo), executor.workers, executor.cpus)
            self.run_units(cut_units(listed.runs + 1, plan.todo, size), len(plan.todo), executor)
        self.write_gallery(found)
        self.clear(listed)
        if self.recipe.persons:
            names = (name for photo in found.photos if (entry := self.index.entries.get(photo.name)) for name in entry.names)
            check_persons(self.recipe.persons, names, self.photos.place)

    def list_photos(self) -> PhotoListing:
        """Lists the photos. LaaError where there is none, or the gallery has no place."""
        found = list_photos(self.photos, self.results, self.request.selection)
        for place, reason in found.unreadable.items():
            self.screen.error(unreadable_message(place, reason))
        self.counts.unreadable = found.unreadable
        self.counts.ignored = found.ignored
        if not found.photos:
            raise LaaError(f"no photo in {self.photos.place}: {found.ignored} other files were passed over")
        if self.request.settings.report:
            check_gallery_place((photo.output for photo in found.photos), self.photos)
        return found

    def read_results(self) -> ResultListing:
        """Lists the results, and reads what the manifests say of them. LaaError where that fails."""
        listed = list_results(self.results)
        try:
            self.index.read(listed.manifests, listed.begun)
        except OSError as error:
            raise self.unreadable(error) from error
        if self.index.foreign_lines:
            self.screen.notice(f"lines in manifests that are no records, and are passed over: {self.index.foreign_lines}")
        return listed

    def unreadable(self, error: OSError) -> LaaError:
        """Makes the error for manifests that cannot be read."""
        reason = error.strerror or str(error)
        return LaaError(f"cannot read the manifests in {self.results.place}: {reason}: run the same command again")

    def plan(self, found: PhotoListing, listed: ResultListing) -> Plan:
        """Plans the run, and counts what is done."""
        settings, recipe = self.request.settings, self.recipe
        assert recipe is not None  # the executor is connected
        options = PlanOptions(retry_failed=self.request.retry_failed, report=settings.report, prove=settings.prove)
        plan = Planner(recipe, listed, self.index, options).plan(found)
        self.counts.skipped = plan.done
        self.counts.failures = {name: self.index.entries[name].error or "" for name in plan.failed}
        notify_left_out(self.screen, plan.left_out, retry_failed=self.request.retry_failed)
        return plan

    def run_units(self, units: list[Unit], photos: int, executor: UnitExecutor) -> None:
        """Runs the units, and counts their photos."""
        started = time.perf_counter()
        try:
            with self.screen.progress(photos) as progress, closing(executor.run(units, self.lock.check)) as events:
                for unit, event in events:
                    if isinstance(event, PhotoDone):
                        self.count(unit, event, progress)
                    elif isinstance(event, UnitDone):
                        self.finish(unit)
                    elif isinstance(event, Notice):
                        self.notify(event.text)
        finally:
            self.counts.seconds = time.perf_counter() - started

    def count(self, unit: Unit, done: PhotoDone, progress: PhotoProgress) -> None:
        """Counts a photo, once, and keeps its record until its unit's manifest is written."""
        record = done.record
        records = self.records.setdefault(unit.name, {})
        is_new = record["input"] not in records
        records[record["input"]] = record
        if not is_new:
            return
        if done.fresh or record["error"] is not None:
            self.counts.add(record)
        else:
            self.counts.skipped += 1
        progress.advance(len(record.get("faces", [])))
        if done.fresh:
            report_photo(self.screen, record, json=self.request.json)

    def finish(self, unit: Unit) -> None:
        """Enters the records of a unit in the index, for its manifest is written."""
        manifest = manifest_path(unit.name)
        for record in self.records.pop(unit.name, {}).values():
            self.index.remember(manifest, record)

    # The end

    def write_gallery(self, found: PhotoListing) -> None:
        """Writes the gallery of the photos found, if it was asked for."""
        if self.request.settings.report:
            try:
                place = write_gallery_of((photo.name for photo in found.photos), self.index, self.results)
            except OSError as error:
                raise self.unreadable(error) from error
            self.screen.say(f"gallery: {place}")

    def clear(self, listed: ResultListing) -> None:
        """Removes manifests of which nothing holds any more, and what says that units were begun, where all is recorded."""
        try:
            self.results.remove_many([*self.index.superseded(), *self.index.settled(listed.files)])
        except LaaError as error:
            self.screen.notice(str(error))
        self.clear_partial_files()

    def clear_partial_files(self) -> None:
        """Removes what killed workers have left in a folder of this machine, and empty folders of laa's own."""
        if isinstance(self.results, LocalStorage):
            remove_partial_files(self.results.folder, deep=True)
            with suppress(OSError):  # there is something in it, or it is not there
                for folder in (BEGUN, FOLDER):
                    (self.results.folder / folder).rmdir()

    def show(self) -> None:
        """Shows the summary."""
        self.counts.show(self.screen)
        if self.recipe is not None:
            notify_plain(self.screen, self.counts, self.recipe.background)
            notify_mark(self.screen, self.counts, self.recipe)

    def notify(self, text: str) -> None:
        """Shows a notice while other threads may have muted standard error."""
        with unmuted():
            self.screen.notice(text)
