"""What the tests of units share: settings with fake models, records made by hand, storages that fail, runs in this process."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from fakes import Killed, fake_upscaler

from laa_cli.batch.manifest import Recipe
from laa_cli.batch.schema import ManifestRecord
from laa_cli.batch.unit_manifest import is_manifest, order_of, parse_lines
from laa_cli.cluster.run import ClusterRequest, run
from laa_cli.cluster.unit import Unit, UnitPhoto
from laa_cli.cluster.worker_settings import WorkerSettings
from laa_cli.console import Screen
from laa_cli.errors import Exit, FileError
from laa_cli.options import ModelOptions, Options
from laa_cli.upscale import Upscaler
from laa_cli.utils.storage import FileStatus, LocalStorage, Storage
from laa_cli.utils.url_storage import open_storage

RECIPE = Recipe(options=Options(scale=2), models=ModelOptions(), weights="weights")
MOMENTS = ("seconds", "mtime_ns", "output_mtime_ns")  # what differs in records of the same photo


def load_fakes(models: ModelOptions, notice: Callable[[str], None]) -> Upscaler:
    return fake_upscaler()


def load_nothing(models: ModelOptions, notice: Callable[[str], None]) -> Upscaler:
    raise AssertionError("the models were loaded")


def unit_settings(folder: Path, **changes: Any) -> WorkerSettings:
    """Settings for `in` and `out` of a folder, with a small file in the place of the weights."""
    weights = folder / "weights.safetensors"
    weights.write_bytes(b"weights")
    models = ModelOptions(device="cpu", background="plain", weights=weights)
    settings = WorkerSettings(
        source=str(folder / "in"), out=str(folder / "out"), options=Options(scale=2), models=models, load=load_fakes, cpus=2
    )
    return replace(settings, **changes)


def run_units(settings: WorkerSettings, **changes: Any) -> Exit:
    """Runs `laa batch` over storages in this process."""
    return run(ClusterRequest(settings=settings, **changes), Screen(data_on_stdout=changes.get("json", False)))


def sync(folder: Path, place: str) -> None:
    """Makes the files in another place those of a folder; those that are the same keep their times."""
    here, there = LocalStorage(folder), open_storage(place)
    if there.place == here.place:
        return
    names = {name for name, _ in here.files()}
    before = {name for name, _ in there.files()}
    for name in names:
        if name not in before or there.read(name) != here.read(name):
            there.write(name, here.read(name), overwrite=True)
    there.remove_many(before - names)


def stored_results(place: str) -> dict[str, bytes]:
    """Every result by its name: all but manifests and laa's hidden files."""
    storage = open_storage(place)
    names = [name for name, _ in storage.files() if not is_manifest(name) and not name.startswith(".laa")]
    return {name: storage.read(name) for name in names}


def stored_records(place: str) -> list[dict[str, Any]]:
    """The lines of all manifests, in the order in which they hold."""
    storage = open_storage(place)
    manifests = sorted((name for name, _ in storage.files() if is_manifest(name)), key=order_of)
    return [value for name in manifests for value in parse_lines(storage.read(name))]


def last_records(lines: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The records that hold, by the names of their photos, without what differs from run to run."""
    return {line["input"]: {name: value for name, value in line.items() if name not in MOMENTS} for line in lines}


# By hand


def record_of(
    name: str, photo: bytes = b"photo", result: bytes = b"result", error: str | None = None, **changes: Any
) -> ManifestRecord:
    """The record of a photo by RECIPE; of a final failure where there is an `error`."""
    record: dict[str, Any] = {
        "input": name, "output": name, "size": len(photo), "mtime_ns": 1, "sha256": hashlib.sha256(photo).hexdigest(),
        "recipe": RECIPE.digest(failed=error is not None), "error": error, **RECIPE.to_dict(),
    }  # fmt: skip
    if error is None:
        record |= {
            "width": 2, "height": 2, "background": "plain", "background_fidelity": None, "faces": [], "left_out": [],
            "output_sha256": hashlib.sha256(result).hexdigest(), "output_size": len(result), "output_mtime_ns": 1,
        }  # fmt: skip
    return cast(ManifestRecord, json.loads(json.dumps(record | changes)))


def unit_photos(*names: str, **changes: Any) -> tuple[UnitPhoto, ...]:
    """Photos that are to be restored."""
    return tuple(UnitPhoto(name, name, FileStatus(5, 1), **changes) for name in names)


def unit_of(settings: WorkerSettings, run: int = 1, number: int = 1, **changes: Any) -> Unit:
    """A unit of all photos in the place of the photos."""
    photos, _ = settings.open()
    found = sorted(photos.files())
    return Unit(run, number, tuple(UnitPhoto(name, name, status, **changes) for name, status in found))


# Storages that fail


class FailingStorage:
    """A storage that lets `writes` files be written, and then raises what `fail` makes, of every file whose name has `part`."""

    def __init__(self, storage: Storage, writes: int, fail: Callable[[str], BaseException], part: str = "") -> None:
        self.storage, self.writes, self.fail, self.part = storage, writes, fail, part

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)

    def write(self, name: str, content: bytes, **options: Any) -> None:
        if self.part in name:
            self.writes -= 1
            if self.writes < 0:
                raise self.fail(name)
        self.storage.write(name, content, **options)


def full_disk(name: str) -> FileError:
    return FileError(
        f"cannot write {name}: No space left on device: make room", OSError(errno.ENOSPC, "No space left on device")
    )


def killed(name: str) -> Killed:
    return Killed(name)
