"""A worker does a unit: what it writes, and what it finds done."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import contents, result_files, run_batch, write_photo_of_noise
from units import (
    do_unit,
    last_records,
    load_fakes,
    photos_of,
    stored_records,
    stored_results,
    unit_of,
    unit_settings,
)

from laa_cli.batch.unit_manifest import begun_path
from laa_cli.cluster.unit import Action, Notice, Unit, UnitDone
from laa_cli.cluster.unit_worker import UnitWorker
from laa_cli.cluster.worker_settings import WorkerSettings
from laa_cli.errors import Exit
from laa_cli.options import ModelOptions
from laa_cli.utils.storage import LocalStorage

BEGUN = begun_path("0001-00001")
PHOTOS = ["a.png", "b/a.jpg", "b/c/ä ö.png", "d.bmp"]


@pytest.fixture
def settings(folder: Path) -> WorkerSettings:
    (folder / "in" / "b" / "notes.txt").unlink()
    (folder / "out").mkdir()
    return unit_settings(folder)


def test_results_and_records_are_those_of_the_local_batch(folder: Path, settings: WorkerSettings) -> None:
    (folder / "in" / "bad.jpg").write_bytes(b"no photo")
    settings = replace(settings, report=True, prove=True)
    events = do_unit(settings)
    assert photos_of(events).keys() == {*PHOTOS, "bad.jpg"}
    assert events[-1] == UnitDone(whole=True)
    local = folder / "local"
    assert run_batch(folder, out=local, recipe=settings.recipe(), report=True, prove=True) == Exit.PARTLY
    assert stored_results(settings.out) == {name: result_files(local)[name] for name in PHOTOS}
    shown = {name: content for name, content in contents(local).items() if name.startswith(".laa/")}
    assert {name: content for name, content in contents(folder / "out").items() if name.startswith(".laa/")} == shown
    assert last_records(stored_records(settings.out)) == last_records(stored_records(str(local)))
    assert [line["input"] for line in stored_records(settings.out)] == sorted([*PHOTOS, "bad.jpg"])


def test_one_photo_of_a_unit_is_done_without_a_manifest(folder: Path, settings: WorkerSettings) -> None:
    events = do_unit(settings, only="d.bmp")
    assert (photos_of(events), events[-1]) == ({"d.bmp": (None, True)}, UnitDone(whole=True))
    assert contents(folder / "out").keys() == {"d.bmp"}


def test_notices_of_the_models_come_once(settings: WorkerSettings) -> None:
    def load(models: ModelOptions, notice: Callable[[str], None]) -> Any:
        notice("the models are old")
        return load_fakes(models, notice)

    worker = UnitWorker(replace(settings, load=load))
    units = (unit_of(settings), unit_of(settings, number=2, replaceable=True))
    events = [event for unit in units for event in worker.run(unit)]
    assert [event for event in events if isinstance(event, Notice)] == [Notice("the models are old")]


# What is looked at again


def known(settings: WorkerSettings, action: Action) -> Unit:
    """A second unit, of the photos as they are now, with their records of the first."""
    unit = unit_of(settings, run=2)
    photos = (replace(photo, action=action, manifest="manifest-0001-00001.jsonl", replaceable=True) for photo in unit.photos)
    return replace(unit, photos=tuple(photos))


@pytest.mark.parametrize("action", [Action.RECHECK, Action.THUMBNAILS])
def test_a_photo_whose_record_is_gone_is_done_again(folder: Path, settings: WorkerSettings, action: Action) -> None:
    do_unit(settings)
    manifest = folder / "out" / "manifest-0001-00001.jsonl"
    lines = manifest.read_text().splitlines(keepends=True)
    manifest.write_text("".join(line for line in lines if '"input": "a.png"' not in line))
    done = photos_of(do_unit(settings, known(settings, action)))
    assert [name for name, (_, fresh) in done.items() if fresh] == ["a.png"]
    assert {error for error, _ in done.values()} == {None}


def test_a_touched_photo_is_not_done_again_and_a_changed_one_is(folder: Path, settings: WorkerSettings) -> None:
    (folder / "in" / "bad.jpg").write_bytes(b"no photo")
    do_unit(settings)
    before = contents(folder / "out")
    for name in ("in/a.png", "out/b/a.jpg", "in/bad.jpg"):
        os.utime(folder / name, ns=(5, 5))
    write_photo_of_noise(folder / "in" / "d.bmp", 9)  # of the same size
    (folder / "out" / "b" / "c" / "ä ö.png").write_bytes(b"spoilt")
    events = do_unit(settings, known(settings, Action.RECHECK))
    done = photos_of(events)
    assert {name for name, (_, fresh) in done.items() if fresh} == {"b/c/ä ö.png", "d.bmp"}
    assert {name for name, (error, _) in done.items() if error is not None} == {"bad.jpg"}
    lines = {line["input"]: line for line in stored_records(settings.out)}
    assert [lines[name]["mtime_ns"] for name in ("a.png", "bad.jpg")] == [5, 5]
    assert lines["b/a.jpg"]["output_mtime_ns"] == 5
    after = contents(folder / "out")
    assert [name for name in PHOTOS if after[name] != before[name]] == ["d.bmp"]
    statuses = {name: LocalStorage(folder / "out").status(name) for name in PHOTOS}
    assert {name: (lines[name]["output_size"], lines[name]["output_mtime_ns"]) for name in PHOTOS} == statuses


def test_thumbnails_are_made_of_results_without(folder: Path, settings: WorkerSettings) -> None:
    do_unit(settings)
    for action in (Action.THUMBNAILS, Action.RECHECK):
        events = do_unit(replace(settings, report=True), known(settings, action))
        assert not any(fresh for _, fresh in photos_of(events).values())
        thumbnails = list((folder / "out").rglob("*.after.jpg"))
        assert len(thumbnails) == 4
        for path in thumbnails:
            path.unlink()
