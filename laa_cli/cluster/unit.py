"""A unit of work: some hundred photos that one worker does, with a manifest of their own; and what its worker says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from ..batch.schema import ManifestRecord
from ..batch.unit_manifest import unit_name
from ..errors import Exit
from ..utils.storage import FileStatus

LARGEST_UNIT = 100  # photos
UNITS_PER_WORKER = 8  # at least, where there are photos enough, so that none waits long for the last one
PHOTOS_PER_CPU = 4  # at least, in a unit, so that no CPU waits long for the last photo


class Action(StrEnum):
    """What is to be done with a photo."""

    RESTORE = "restore"
    RECHECK = "recheck"  # its file or its result has another time than was recorded: restore it where the content changed, too
    THUMBNAILS = "thumbnails"  # it is done; only what the gallery shows of it is missing


@dataclass(frozen=True, slots=True)
class UnitPhoto:
    """A photo of a unit. `status`: its file's, as listed.

    `replaceable`: whether a file with the result's name is laa's own; `taken`: whether there is one that is not. `manifest`: in
    which its last record stands, which all actions but RESTORE need: whole records of all photos would not fit in a driver.
    """

    name: str
    output: str
    status: FileStatus
    action: Action = Action.RESTORE
    replaceable: bool = False
    taken: bool = False
    manifest: str | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """Photos that one worker does. `run`, `number`: of the run that cut it, and its own in that."""

    run: int
    number: int
    photos: tuple[UnitPhoto, ...] = field(hash=False)  # the numbers say which it is

    @property
    def name(self) -> str:
        """What its files are called."""
        return unit_name(self.run, self.number)


class PhotoDone(NamedTuple):
    """A photo's record. `fresh`: whether it was worked on, rather than found as it was."""

    record: ManifestRecord
    fresh: bool = True


class Notice(NamedTuple):
    """A line for people, of the models' loading."""

    text: str


class Fatal(NamedTuple):
    """What ends the run: a LaaError in parts, for not every exception can be sent."""

    message: str
    code: Exit


class UnitDone(NamedTuple):
    """The unit's manifest is written. `whole`: whether it has all of its photos, for the worker may have been told to stop."""

    whole: bool


Event = PhotoDone | Notice | Fatal | UnitDone


def unit_size(photos: int, workers: int, cpus: int) -> int:
    """Computes how many photos a unit has. `cpus`: of each worker."""
    if workers == 1:
        return LARGEST_UNIT
    return max(PHOTOS_PER_CPU * cpus, min(LARGEST_UNIT, photos // (UNITS_PER_WORKER * workers)))


def cut_units(run: int, photos: list[UnitPhoto], size: int) -> list[Unit]:
    """Cuts photos, in their order, into units of `size`."""
    starts = range(0, len(photos), size)
    return [Unit(run, number, tuple(photos[start : start + size])) for number, start in enumerate(starts, 1)]
