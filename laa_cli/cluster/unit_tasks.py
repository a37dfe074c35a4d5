"""The tasks of a unit: a photo to be restored, one to be looked at again, one whose thumbnails are missing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from typing import cast

from ..batch.schema import ManifestRecord
from ..batch.task import BatchContext, PhotoTask
from ..batch.thumbnails import backfill, has_thumbnails
from .unit import Action, UnitPhoto


class KnownPhotoTask(PhotoTask):
    """A task for a photo with a record. Where `kept` is set, that record stands, and nothing is done."""

    def __init__(self, photo: UnitPhoto, context: BatchContext, earlier: ManifestRecord) -> None:
        super().__init__(photo, context)
        self.earlier = earlier
        self.kept: ManifestRecord | None = None

    @property
    def is_fresh(self) -> bool:
        return self.kept is None

    def work(self) -> Iterator[float]:
        if self.kept is None:
            yield from super().work()

    def write(self) -> None:
        if self.kept is None or self.error is not None:
            super().write()
            return
        self.record = self.kept
        self.context.records.append(self.record)


class RecheckTask(KnownPhotoTask):
    """Compares a photo and its result with what is recorded of them, by content, and restores it only where they differ."""

    def read(self) -> None:
        self.read_content()
        if self.file["sha256"] == self.earlier["sha256"] and self.has_result():
            updated = {**self.earlier, **self.file, **self.result_time()}
            self.kept = cast(ManifestRecord, updated)
            return
        self.failure_is_final = False
        super().read()

    def has_result(self) -> bool:
        """Whether the result is as recorded. Of a photo that failed there is none."""
        if self.earlier["error"] is not None:
            return True
        try:
            content = self.context.results.read(self.source.output)
        except OSError:
            return False
        return hashlib.sha256(content).hexdigest() == self.earlier["output_sha256"]

    def result_time(self) -> dict[str, int | None]:
        """The result's time as it is now."""
        if self.earlier["error"] is not None:
            return {}
        with suppress(OSError):  # another run looks again
            if (status := self.context.results.status(self.source.output)) is not None:
                return {"output_mtime_ns": status.mtime_ns}
        return {}

    def work(self) -> Iterator[float]:
        if self.kept is not None and self.context.report and self.kept["error"] is None:
            backfill_missing(self.kept, self.context)
        yield from super().work()


class ThumbnailTask(KnownPhotoTask):
    """Makes the thumbnails of a result that an earlier run made without."""

    def read(self) -> None:
        self.kept = self.earlier

    def work(self) -> Iterator[float]:
        backfill_missing(self.earlier, self.context)
        yield 1.0


def backfill_missing(record: ManifestRecord, context: BatchContext) -> None:
    """Makes the thumbnails of a result that has none. What cannot be reached now has them made by another run."""
    with suppress(OSError):
        if not has_thumbnails(record, context.results):
            backfill(record, context.photos, context.results)


TASKS = {Action.RECHECK: RecheckTask, Action.THUMBNAILS: ThumbnailTask}


def make_task(photo: UnitPhoto, context: BatchContext, earlier: ManifestRecord | None) -> PhotoTask:
    """Builds the task that a photo's action asks for. `earlier`: its last record; without one it is restored."""
    kind = TASKS.get(photo.action)
    return PhotoTask(photo, context) if kind is None or earlier is None else kind(photo, context, earlier)
