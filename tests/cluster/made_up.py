"""Made-up photos, their records, and an executor that makes results of a few bytes without reading any photo."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from laa_cli.batch.manifest import Recipe
from laa_cli.batch.schema import ManifestRecord
from laa_cli.batch.thumbnails import thumbnail_path
from laa_cli.batch.unit_manifest import manifest_path, to_lines, unit_name, write_unit_manifest
from laa_cli.cluster.executors import Events, Tick
from laa_cli.cluster.unit import LARGEST_UNIT, Action, PhotoDone, Unit, UnitDone, UnitPhoto
from laa_cli.cluster.unit_worker import begin
from laa_cli.cluster.worker_settings import WorkerSettings
from laa_cli.options import ModelOptions, Options
from laa_cli.utils.storage import FileStatus, LocalStorage, Storage

RECIPE = Recipe(options=Options(), models=ModelOptions(device="cpu"), weights="0" * 64)
FACE = {
    "box_xyxy": [812.403, 310.127, 870.915, 384.002],
    "size_px": 73.875,
    "confidence": 0.99871,
    "landmarks_xy": [[830.1, 338.2], [855.9, 338.7], [842.4, 352.8], [832.7, 366.1], [853.2, 366.4]],
    "source": "detector",
    "crop": {"x": 796, "y": 301, "side": 92},
    "action": "restored",
    "reason": "",
    "roll_deg": 1.27,
    "fidelity": 0.84,
    "consistency": 0.0112,
    "doubt": None,
}
SIZE, TIME = "5000000", "1795274646655089152"
STATUS = FileStatus(int(SIZE), int(TIME))
DIGESTS = {failed: RECIPE.digest(failed=failed) for failed in (False, True)}
RECIPE_FIELDS = RECIPE.to_dict()


def photo_names(count: int) -> Iterator[str]:
    """Names as photo libraries have them, 1,000 to a folder."""
    return (f"albums/{number // 1000:04d} holidays/IMG_{number:07d}.jpg" for number in range(count))


def photo_content(name: str) -> bytes:
    """What a made-up photo's file holds."""
    return f"photo {name}".encode()


def write_small(storage: Storage, name: str, content: bytes) -> None:
    """Writes a file; on this machine without waiting for the disk."""
    if isinstance(storage, LocalStorage):
        path = storage.local_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    else:
        storage.write(name, content, overwrite=True)


def make_photos(storage: Storage, count: int) -> None:
    """Writes made-up photos."""
    for name in photo_names(count):
        write_small(storage, name, photo_content(name))


def made_up_record(photo: UnitPhoto, content: bytes, result: FileStatus, faces: int = 2) -> ManifestRecord:
    """What a worker says of a photo with so many faces. `content`: its result's file."""
    record = {
        "input": photo.name,
        "output": photo.output,
        "size": photo.status.size,
        "mtime_ns": photo.status.mtime_ns,
        "sha256": hashlib.sha256(photo.name.encode()).hexdigest(),
        "width": 6016,
        "height": 4000,
        "background": "plain",
        "background_fidelity": None,
        "faces": [{"number": number, **FACE} for number in range(1, faces + 1)],
        "left_out": [],
        "output_sha256": hashlib.sha256(content).hexdigest(),
        "output_size": result.size,
        "recipe": DIGESTS[False],
        "output_mtime_ns": result.mtime_ns,
        "error": None,
        **RECIPE_FIELDS,
        "seconds": {
            "read": 0.0213,
            "detect": 0.1024,
            "restore": 0.0581,
            "background": 0.2219,
            "encode": 0.0812,
            "write": 0.0041,
        },
    }
    return cast(ManifestRecord, record)


class Killed(Exception):
    """The end of a run that a person or the system has killed."""


class StubExecutor:
    """An executor of one worker, which does all that a worker writes, and nothing else.

    `seconds`: of CPU time that it took itself. `dies_after`: so many photos, in the middle of a unit.
    """

    def __init__(self, results: Storage, dies_after: int | None = None, faces: int = 2) -> None:
        self.results = results
        self.dies_after = dies_after
        self.faces = faces
        self.workers = self.cpus = 1
        self.seconds = 0.0
        self.done = 0

    def connect(self, settings: WorkerSettings) -> Recipe:
        self.settings = settings
        return RECIPE

    def run(self, units: Iterable[Unit], tick: Tick) -> Events:
        for unit in units:
            with self.own_time():
                begin(unit, self.results, overwrite=False)
                records = [self.do(photo) for photo in unit.photos]
            for photo, record in zip(unit.photos, records, strict=True):
                if self.done == self.dies_after:
                    raise Killed
                self.done += 1
                yield unit, PhotoDone(record, photo.action is Action.RESTORE)
                tick()
            with self.own_time():
                write_unit_manifest(self.results, unit.name, records, settled=True)
            yield unit, UnitDone(True)

    def do(self, photo: UnitPhoto) -> ManifestRecord:
        """Writes a photo's result, and makes its record."""
        content = f"result of {photo.name}, {photo.status.size} bytes".encode()
        if photo.action is Action.RESTORE:
            write_small(self.results, photo.output, content)
        if self.settings.report:
            for kind in ("before", "after", "faces"):
                write_small(self.results, thumbnail_path(hashlib.sha256(content).hexdigest(), kind), b"JPEG")
        status = self.results.status(photo.output)
        assert status is not None
        return made_up_record(photo, content, status, self.faces)

    @contextmanager
    def own_time(self) -> Iterator[None]:
        """Counts CPU time as the stub's own."""
        started = time.process_time()
        yield
        self.seconds += time.process_time() - started

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing is under way."""


def settings_of(source: str, out: str, **options: Any) -> WorkerSettings:
    """The settings of a run over made-up photos."""
    return WorkerSettings(source=source, out=out, options=Options(), models=ModelOptions(device="cpu"), **options)


def place_in(place: str, name: str) -> str:
    """Names a folder in a place, which is a folder's path or a URL."""
    return f"{place.rstrip('/')}/{name}" if "://" in place else str(Path(place) / name)


class MadeUpStorage:
    """A place of photos, or of their results as an earlier run has left them: each file is made up when it is asked for."""

    def __init__(self, place: str, photos: int, *, results: bool) -> None:
        self.place = place
        self.photos = photos
        self.results = results
        self.template = to_lines([made_up_record(UnitPhoto("NAME", "NAME", STATUS), b"result", STATUS)])

    def files(self, folder: str = "", unreadable: dict[str, str] | None = None) -> Iterator[tuple[str, FileStatus]]:
        for number, name in enumerate(photo_names(self.photos)):
            yield name, FileStatus(int(SIZE), int(TIME))  # of their own, as any listing has them
            if self.results and number % LARGEST_UNIT == 0:
                yield manifest_path(unit_name(1, number // LARGEST_UNIT + 1)), STATUS

    def read_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        photos = photo_names(self.photos)
        for name in names:
            yield name, b"".join(self.template.replace(b"NAME", photo.encode()) for photo in islice(photos, LARGEST_UNIT))

    def local_path(self, name: str) -> None:
        """Nothing lies on this machine."""

    def remove_many(self, names: Iterable[str]) -> None:
        assert not [*names]
