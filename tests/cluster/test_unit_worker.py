"""A worker does a unit: what it writes, what it finds done, and what is left when it is killed, stopped or cannot write."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import Killed, contents, result_files, run_batch, write_photo_of_noise
from units import (
    FailingStorage,
    full_disk,
    killed,
    last_records,
    load_fakes,
    stored_records,
    stored_results,
    unit_of,
    unit_settings,
)

from laa_cli.batch.unit_manifest import begun_path, is_manifest
from laa_cli.cluster.unit import Action, Event, Fatal, Notice, PhotoDone, Unit, UnitDone
from laa_cli.cluster.unit_worker import UnitWorker
from laa_cli.cluster.worker_settings import WorkerSettings
from laa_cli.errors import Exit, LaaError, UsageError
from laa_cli.options import ModelOptions
from laa_cli.utils.storage import FileStatus, LocalStorage

BEGUN = begun_path("0001-00001")
PHOTOS = ["a.png", "b/a.jpg", "b/c/ä ö.png", "d.bmp"]


@pytest.fixture
def settings(folder: Path) -> WorkerSettings:
    (folder / "in" / "b" / "notes.txt").unlink()
    (folder / "out").mkdir()
    return unit_settings(folder)


def do(settings: WorkerSettings, unit: Unit | None = None, only: str | None = None) -> list[Event]:
    return list(UnitWorker(settings).run(unit or unit_of(settings), only))


def photos_of(events: list[Event]) -> dict[str, tuple[str | None, bool]]:
    """Photos with their errors, and whether they were worked on."""
    done = [event for event in events if isinstance(event, PhotoDone)]
    return {event.record["input"]: (event.record["error"], event.fresh) for event in done}


def writing_to(
    settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch, writes: int, fail: Callable[[str], BaseException], part: str = ""
) -> UnitWorker:
    """A worker whose storage of results fails."""
    worker = UnitWorker(settings)
    open_storages = worker.open_storages

    def failing(unit: Unit) -> Any:
        photos, results = open_storages(unit)
        return photos, FailingStorage(results, writes, fail, part)

    monkeypatch.setattr(worker, "open_storages", failing)
    return worker


def test_results_and_records_are_those_of_the_local_batch(folder: Path, settings: WorkerSettings) -> None:
    (folder / "in" / "bad.jpg").write_bytes(b"no photo")
    settings = replace(settings, report=True, prove=True)
    events = do(settings)
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
    events = do(settings, only="d.bmp")
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
    do(settings)
    manifest = folder / "out" / "manifest-0001-00001.jsonl"
    lines = manifest.read_text().splitlines(keepends=True)
    manifest.write_text("".join(line for line in lines if '"input": "a.png"' not in line))
    done = photos_of(do(settings, known(settings, action)))
    assert [name for name, (_, fresh) in done.items() if fresh] == ["a.png"]
    assert {error for error, _ in done.values()} == {None}


def test_a_touched_photo_is_not_done_again_and_a_changed_one_is(folder: Path, settings: WorkerSettings) -> None:
    (folder / "in" / "bad.jpg").write_bytes(b"no photo")
    do(settings)
    before = contents(folder / "out")
    for name in ("in/a.png", "out/b/a.jpg", "in/bad.jpg"):
        os.utime(folder / name, ns=(5, 5))
    write_photo_of_noise(folder / "in" / "d.bmp", 9)  # of the same size
    (folder / "out" / "b" / "c" / "ä ö.png").write_bytes(b"spoilt")
    events = do(settings, known(settings, Action.RECHECK))
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
    do(settings)
    for action in (Action.THUMBNAILS, Action.RECHECK):
        events = do(replace(settings, report=True), known(settings, action))
        assert not any(fresh for _, fresh in photos_of(events).values())
        thumbnails = list((folder / "out").rglob("*.after.jpg"))
        assert len(thumbnails) == 4
        for path in thumbnails:
            path.unlink()


# Workers that are killed, stopped, or cannot go on


@pytest.mark.parametrize("writes", [1, 2, 3])
def test_a_killed_unit_is_begun_again_over_its_own_results_only(
    writes: int, folder: Path, settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_batch(folder, out=folder / "whole", recipe=settings.recipe())
    unit = unit_of(settings)
    with pytest.raises(Killed):
        list(writing_to(settings, monkeypatch, writes, killed).run(unit))
    assert len(stored_results(settings.out)) == writes - 1
    assert [name for name in contents(folder / "out") if is_manifest(name) or name == BEGUN] == [BEGUN]
    for name in stored_results(settings.out):
        (folder / "out" / name).write_bytes(b"half of it")
    events = do(settings, unit)
    assert photos_of(events) == dict.fromkeys(PHOTOS, (None, True))
    assert stored_results(settings.out) == stored_results(str(folder / "whole"))
    assert not (folder / "out" / BEGUN).exists()


def test_a_foreign_file_is_refused_by_every_attempt(
    folder: Path, settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "out" / "a.png").write_bytes(b"precious")
    unit = unit_of(settings)
    unit = replace(unit, photos=tuple(replace(photo, taken=photo.name == "a.png") for photo in unit.photos))
    with pytest.raises(Killed):
        list(writing_to(settings, monkeypatch, 2, killed).run(unit))
    done = photos_of(do(settings, unit))
    assert "exists already" in str(done["a.png"][0])
    assert [error for error, _ in done.values()].count(None) == 3
    assert stored_results(settings.out)["a.png"] == b"precious"
    events = do(replace(settings, overwrite=True), unit)
    assert photos_of(events)["a.png"] == (None, True)
    assert stored_results(settings.out)["a.png"] != b"precious"


def test_a_worker_that_is_told_to_stop_writes_what_is_done(folder: Path, settings: WorkerSettings) -> None:
    for number in range(12):
        write_photo_of_noise(folder / "in" / f"{number:02}.png", number)
    worker = UnitWorker(replace(settings, cpus=1))
    events: list[Event] = []
    for event in worker.run(unit_of(settings)):
        events.append(event)
        worker.stop()
    assert events[-1] == UnitDone(whole=False)
    done = photos_of(events)
    assert 0 < len(done) < 16
    assert {line["input"] for line in stored_records(settings.out)} == done.keys() == stored_results(settings.out).keys()
    assert (folder / "out" / BEGUN).exists()  # an attempt before may have written the others
    assert list(worker.run(unit_of(settings, number=2)))[-1] == UnitDone(whole=False)


def test_a_run_that_is_given_up_keeps_what_is_done(folder: Path, settings: WorkerSettings) -> None:
    events = UnitWorker(replace(settings, cpus=1)).run(unit_of(settings))
    first = next(events)
    events.close()
    assert isinstance(first, PhotoDone)
    assert first.record["input"] in {line["input"] for line in stored_records(settings.out)}
    assert stored_results(settings.out).keys() == {line["input"] for line in stored_records(settings.out)}


@pytest.mark.parametrize(("writes", "part"), [(0, ""), (1, ""), (3, ""), (0, "manifest-"), (0, ".laa/")])
def test_a_full_disk_ends_the_run(
    writes: int, part: str, folder: Path, settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = list(writing_to(settings, monkeypatch, writes, full_disk, part).run(unit_of(settings)))
    [fatal] = [event for event in events if isinstance(event, Fatal)]
    assert events[-1] is fatal
    assert "No space left on device" in fatal.message
    assert fatal.code == Exit.FAILED
    assert stored_results(settings.out).keys() >= photos_of(events).keys()
    assert [*photos_of(do(settings, replace(unit_of(settings), number=1))).values()] == [(None, True)] * 4


def test_one_result_that_cannot_be_written_fails_alone(settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = LaaError("the store says no")
    events = list(writing_to(settings, monkeypatch, 0, lambda name: refused, "a.png").run(unit_of(settings)))
    assert photos_of(events) == dict.fromkeys(PHOTOS, (None, True)) | {"a.png": ("the store says no", True)}
    assert events[-1] == UnitDone(whole=True)


@pytest.mark.parametrize("error", [LaaError("unusable weights"), UsageError("precision cannot be that", "precision")])
def test_models_that_cannot_be_loaded_end_the_run(error: LaaError, settings: WorkerSettings) -> None:
    def load(models: ModelOptions, notice: Callable[[str], None]) -> Any:
        raise error

    assert do(replace(settings, load=load)) == [Fatal(error.for_command_line(), error.code)]


@pytest.mark.parametrize("method", ["status", "read"])
def test_a_network_that_fails_is_an_error_of_ours(
    method: str, folder: Path, settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photos fail one by one, and are tried again; what concerns the unit ends the run."""
    unit = unit_of(settings)

    def fail(self: LocalStorage, name: str, *limit: Any) -> FileStatus | bytes:
        raise TimeoutError(110, "Connection timed out")

    class FarAway(LocalStorage):
        def local_path(self, name: str) -> Any:
            return None

    for place in (0, 1):
        with monkeypatch.context() as patch:
            storages = [FarAway(folder / "in"), FarAway(folder / "out")]
            patch.setattr(storages[place], method, fail.__get__(storages[place]))
            worker = UnitWorker(settings)
            patch.setattr(worker, "open_storages", lambda unit: storages)  # noqa: B023
            events = list(worker.run(unit))
        assert isinstance(events[-1], Fatal) == (place == 1 and method == "status")
        if place == 0 and method == "read":
            assert all("Connection timed out" in str(error) for error, _ in photos_of(events).values())
            assert {line["recipe"] for line in stored_records(settings.out)} == {None}


def test_a_store_that_does_not_answer_costs_five_photos(
    tmp_path: Path, settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each try at one takes long: the run ends rather than wait for every photo."""
    for number in range(20):
        write_photo_of_noise(tmp_path / "in" / f"{number:02}.png", number)

    class Gone(LocalStorage):
        def local_path(self, name: str) -> Any:
            return None

        def read(self, name: str, limit_bytes: int | None = None) -> bytes:
            raise ConnectionError(111, "Connection refused")

    worker, storages = UnitWorker(replace(settings, cpus=1)), (Gone(tmp_path / "in"), LocalStorage(tmp_path / "out"))
    monkeypatch.setattr(worker, "open_storages", lambda unit: storages)
    unit = unit_of(settings)
    assert len(photos_of(list(worker.run(unit)))) == len(unit.photos)  # it answers, though not with photos
    monkeypatch.setattr(Gone, "status", Gone.read)
    events = list(worker.run(unit))
    assert len(photos_of(events)) == 4
    assert isinstance(events[-1], Fatal)
    assert "cannot reach" in events[-1].message
