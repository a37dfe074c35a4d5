"""Which jobs wait for a worker, and what follows where a worker's process ends in the middle of one.

Whether a photo ended it or the machine went, only time tells: the caller says so once it is known. A unit whose worker ended
while its machine lives on is done photo by photo, so that one photo alone is to blame for the next end; a photo that ends two
more workers has failed, and the rest of its unit goes on.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import cast

from ..batch.manifest import Recipe
from ..batch.schema import ManifestRecord
from ..batch.unit_manifest import write_unit_manifest
from ..utils.storage import Storage
from .unit import PhotoDone, Unit, UnitPhoto

FATAL_KILLS = 2


@dataclass(frozen=True)
class Job:
    """A unit, or the one photo `only` of it."""

    unit: Unit
    only: str | None = None


@dataclass
class SplitUnit:
    """A unit that is done photo by photo: the names that are open, and the records of the others."""

    unit: Unit
    open: set[str]
    records: list[ManifestRecord] = field(default_factory=list)


class JobQueue:
    """The jobs of a run. Manifests of split units are written here, for no one worker does them."""

    def __init__(self, units: Iterable[Unit], results: Storage, recipe: Recipe, locate: Callable[[str], str]) -> None:
        """`locate`: says what messages call a photo."""
        self.waiting: deque[Job] = deque(Job(unit) for unit in units)
        self.under_way: set[Job] = set()
        self.splits: dict[str, SplitUnit] = {}
        self.kills: Counter[Job] = Counter()
        self.results = results
        self.recipe = recipe
        self.locate = locate

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not self.waiting and not self.under_way

    def take(self) -> Job | None:
        """Takes the next job."""
        if not self.waiting:
            return None
        job = self.waiting.popleft()
        self.under_way.add(job)
        return job

    def finish(self, job: Job) -> None:
        """Closes a job whose worker has ended it."""
        self.under_way.discard(job)

    def put_back(self, job: Job) -> None:
        """Lets a job begin again, whose worker went with its machine; not one that is over already."""
        if job in self.under_way:
            self.under_way.discard(job)
            self.waiting.appendleft(job)

    def blame(self, job: Job) -> PhotoDone | None:
        """Draws the consequences of a worker's end that the job itself brought about. Returns a photo that has failed by it.

        A job that is over already did not.
        """
        if job not in self.under_way:
            return None
        self.under_way.discard(job)
        if job.only is None:
            self.split(job.unit)
            return None
        self.kills[job] += 1
        if self.kills[job] < FATAL_KILLS:
            self.waiting.append(job)
            return None
        photo = next(photo for photo in job.unit.photos if photo.name == job.only)
        done = PhotoDone(self.failure(photo))
        self.add(job, done)
        return done

    def split(self, unit: Unit) -> None:
        """Cuts a unit into its photos, which come last."""
        self.splits[unit.name] = SplitUnit(unit, {photo.name for photo in unit.photos})
        self.waiting.extend(Job(unit, photo.name) for photo in unit.photos)

    def add(self, job: Job, done: PhotoDone) -> bool:
        """Keeps a photo's record, where the queue writes it. Returns whether it was the last of its unit, which is written."""
        if job.only is None:
            return False
        self.finish(job)  # whatever becomes of its worker now
        split = self.splits[job.unit.name]
        split.open.discard(job.only)
        split.records.append(done.record)
        if split.open:
            return False
        self.write(split)
        return True

    def write(self, split: SplitUnit) -> None:
        """Writes the manifest of a split unit as far as it is done. Raises LaaError."""
        del self.splits[split.unit.name]
        failed = [record["output"] for record in split.records if record["error"] is not None]
        settled = not split.open and not any(map(self.may_be_there, failed))
        write_unit_manifest(self.results, split.unit.name, split.records, settled=settled)

    def may_be_there(self, output: str) -> bool:
        """Whether there may be a result, by the attempt at the whole unit."""
        try:
            return self.results.status(output) is not None
        except OSError:
            return True

    def close(self) -> None:
        """Writes the manifests of the split units that are not done. Nothing may be under way any more. Raises LaaError."""
        for split in list(self.splits.values()):
            self.write(split)

    def failure(self, photo: UnitPhoto) -> ManifestRecord:
        """Makes the record of a photo that ended its workers."""
        reason = (
            f"laa's process ended {FATAL_KILLS} times on {self.locate(photo.name)} alone, for want of memory or by a library's "
            "fault: try it with `laa upscale`"
        )
        record = {
            "input": photo.name,
            "output": photo.output,
            "size": photo.status.size,
            "mtime_ns": photo.status.mtime_ns,
            "sha256": None,
            "recipe": self.recipe.digest(failed=True),
            "error": reason,
            **self.recipe.to_dict(),
        }
        return cast(ManifestRecord, record)
