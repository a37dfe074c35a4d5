"""Plans a run: which photos have to be done, which are, and which failed before and are as they were then."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..batch.manifest import Recipe
from ..batch.thumbnails import thumbnail_stem
from .listing import ListedPhoto, PhotoListing, ResultListing
from .record_entry import RecordEntry
from .record_index import RecordIndex
from .unit import Action, UnitPhoto


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """What a run is to do beside restoring what is not done."""

    retry_failed: bool = False
    report: bool = False
    prove: bool = False


@dataclass
class Plan:
    """`todo`: what units are cut from. `failed`: names of photos that failed before. `left_out`: how many could be tried."""

    todo: list[UnitPhoto] = field(default_factory=list)
    done: int = 0
    failed: list[str] = field(default_factory=list)
    left_out: int = 0


class Planner:
    """Sorts photos by the index and the listings, without a look at any file."""

    def __init__(self, recipe: Recipe, results: ResultListing, index: RecordIndex, options: PlanOptions) -> None:
        self.digests = {failed: recipe.digest(failed=failed) for failed in (False, True)}
        self.results = results
        self.index = index
        self.options = options

    def plan(self, photos: PhotoListing) -> Plan:
        """Plans all photos, in their order."""
        plan = Plan()
        retry_failed = self.options.retry_failed
        for photo in photos.photos:
            entry = self.index.entries.get(photo.name)
            action = self.action(photo, entry)
            failed_before = entry is not None and entry.error is not None
            if failed_before and retry_failed:
                plan.todo.append(self.unit_photo(photo, Action.RESTORE, entry))
            elif failed_before and action is None:
                plan.failed.append(photo.name)
                plan.left_out += 1
            elif action is Action.RESTORE and retry_failed:
                plan.left_out += 1
            elif action is None or (action is Action.RECHECK and retry_failed):
                plan.done += 1
            else:
                plan.todo.append(self.unit_photo(photo, action, entry))
        return plan

    def action(self, photo: ListedPhoto, entry: RecordEntry | None) -> Action | None:
        """Decides what is to be done with a photo; None where its record holds, be it of a failure."""
        if entry is None or entry.output != photo.output or entry.recipe != self.digests[entry.error is not None]:
            return Action.RESTORE
        if entry.source is None or entry.source.size != photo.status.size:
            return Action.RESTORE
        result = self.results.files.get(entry.output)
        if entry.result is not None and (result is None or result.size != entry.result.size):
            return Action.RESTORE
        stem = thumbnail_stem(entry.output_sha256)
        if self.options.prove and entry.error is None and stem not in self.results.proved:
            return Action.RESTORE
        times = [(entry.source, photo.status)] + ([(entry.result, result)] if entry.result and result else [])
        if any(before.mtime_ns is None or before.mtime_ns != now.mtime_ns for before, now in times):
            return Action.RECHECK
        shown = not self.options.report or entry.error is not None or stem in self.results.shown
        return None if shown else Action.THUMBNAILS

    def unit_photo(self, photo: ListedPhoto, action: Action, entry: RecordEntry | None) -> UnitPhoto:
        """Says all that a worker has to know of a photo."""
        ours = photo.output in self.index.outputs
        manifest = entry.manifest if entry is not None and action is not Action.RESTORE else None
        taken = not ours and photo.output in self.results.files
        return UnitPhoto(photo.name, photo.output, photo.status, action, ours, taken, manifest)
