"""A run over storages that ends before its end, or does not begin: what holds, what is said, how the next one goes on."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import Killed, result_files, run_batch, write_photo_of_noise
from pairs import Pair
from units import (
    FailingStorage,
    full_disk,
    killed,
    load_nothing,
    run_units,
    stored_records,
    stored_results,
    sync,
    unit_settings,
)

from laa_cli.batch.unit_manifest import begun_path, is_manifest
from laa_cli.cluster.unit_worker import UnitWorker
from laa_cli.console import Screen
from laa_cli.errors import Exit, FileError, LaaError, SetupError, UsageError
from laa_cli.options import ModelOptions, Options
from laa_cli.upscale import Upscaler
from laa_cli.utils.locks import locked
from laa_cli.utils.url_storage import open_storage

# Ends before the end


def test_touched_photos_are_not_done_again(pair: Pair) -> None:
    (pair.folder / "in" / "bad.jpg").write_bytes(b"no photo")
    pair.run(expected=Exit.PARTLY)
    for name in ("a.png", "bad.jpg"):
        os.utime(pair.folder / "in" / name, ns=(7, 7))
        storage = open_storage(pair.settings.source)
        if storage.local_path("") is None:
            storage.write(name, storage.read(name), overwrite=True)
    for _ in range(2):
        assert run_units(pair.settings, json=True) == Exit.PARTLY
        records, counts, _ = pair.said()
        assert (records, counts["done before"], counts["failed"]) == ([], "4", "1")
    assert run_units(replace(pair.settings, load=load_nothing)) == Exit.PARTLY  # the new times were recorded


def failing(monkeypatch: pytest.MonkeyPatch, writes: int, fail: Callable[[str], BaseException], part: str = "") -> None:
    open_storages = UnitWorker.open_storages

    def with_failures(self: UnitWorker, unit: Any) -> Any:
        photos, results = open_storages(self, unit)
        return photos, FailingStorage(results, writes, fail, part)

    monkeypatch.setattr(UnitWorker, "open_storages", with_failures)


@pytest.mark.parametrize("writes", [1, 2, 4])
def test_the_run_after_a_killed_one_goes_on_and_leaves_nothing_over(
    pair: Pair, writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        failing(patch, writes, killed)
        with pytest.raises(Killed):
            run_units(pair.settings)
    names = [name for name, _ in open_storage(pair.settings.out).files() if is_manifest(name) or "begun" in name]
    assert names == [begun_path("0001-00001")]
    assert run_units(pair.settings) == Exit.OK
    run_batch(pair.folder, out=pair.folder / "local", recipe=pair.settings.recipe())
    assert stored_results(pair.settings.out) == result_files(pair.folder / "local")
    names = [name for name, _ in open_storage(pair.settings.out).files() if name not in stored_results(pair.settings.out)]
    assert [name for name in names if name != ".laa.lock"] == ["manifest-0002-00001.jsonl"]


@pytest.mark.parametrize(("writes", "code"), [(0, Exit.FAILED), (3, Exit.PARTLY)])
def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(
    pair: Pair, writes: int, code: Exit, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        failing(patch, writes, full_disk)
        with pytest.raises(SetupError, match="No space left on device") as error:
            run_units(pair.settings)
    assert error.value.code == code
    assert run_units(pair.settings) == Exit.OK
    assert len(stored_results(pair.settings.out)) == 4


def test_ctrl_c_keeps_what_is_done(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Screen, values: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Screen, "record", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_units(pair.settings, json=True)
    done = {line["input"] for line in stored_records(pair.settings.out)}
    assert done == stored_results(pair.settings.out).keys() != set()
    assert run_units(pair.settings) == Exit.OK
    assert len(stored_records(pair.settings.out)) == 4


# What is refused


def test_models_that_cannot_be_loaded_end_the_run(pair: Pair) -> None:
    def load(models: ModelOptions, notice: Callable[[str], None]) -> Upscaler:
        raise LaaError("cannot use the weights")

    with pytest.raises(SetupError, match=r"^cannot use the weights$") as error:
        run_units(replace(pair.settings, load=load))
    assert error.value.code == Exit.FAILED


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"memory": "much"}, UsageError, "memory must be a size"),
        ({"models": ModelOptions(device="cpu", weights=Path("gone.safetensors"))}, LaaError, r"^cannot read the weights gone"),
        ({"models": ModelOptions(device="warp")}, UsageError, "device"),
        ({"prove": True}, UsageError, "add --report"),
    ],
)
def test_wrong_settings_are_refused_as_by_the_local_batch(
    changes: Any, error: type[LaaError], message: str, pair: Pair
) -> None:
    with pytest.raises(error, match=message):
        run_units(replace(pair.settings, **changes))
    assert stored_results(pair.settings.out) == {}


def test_a_folder_with_the_gallerys_name_is_refused(pair: Pair) -> None:
    write_photo_of_noise(pair.folder / "in" / "index.html" / "a.png")
    sync(pair.folder / "in", pair.settings.source)
    with pytest.raises(LaaError, match=r"in/index\.html is a folder with the gallery's name|out/index\.html is a folder with"):
        run_units(replace(pair.settings, report=True))
    assert stored_results(pair.settings.out) == {}
    assert run_units(pair.settings) == Exit.OK


@pytest.mark.parametrize("reader", ["record_index.open_manifests", "record_reader.RecordReader.read"])
def test_manifests_that_cannot_be_read_are_an_error_of_ours(reader: str, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where all are read, nor where one is, for the record of a photo with a new time."""
    run_units(pair.settings)
    open_storage(pair.settings.source).write("a.png", (pair.folder / "in" / "a.png").read_bytes(), overwrite=True)

    def unreadable(*_: Any) -> Any:
        raise TimeoutError(110, "Connection timed out")

    with monkeypatch.context() as patch:
        patch.setattr(f"laa_cli.cluster.{reader}", unreadable)
        with pytest.raises(LaaError, match=r"^cannot read the manifests in .*Connection timed out: run"):
            run_units(pair.settings)
    assert run_units(pair.settings) == Exit.OK


def test_old_manifests_that_cannot_be_removed_stay(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Any, names: Any) -> None:
        if list(names):
            raise FileError("cannot remove it: Permission denied", PermissionError())

    run_units(pair.settings, json=True)
    pair.said()
    with monkeypatch.context() as patch:
        patch.setattr(type(open_storage(pair.settings.out)), "remove_many", denied)
        assert run_units(replace(pair.settings, options=Options(scale=1)), json=True) == Exit.OK
    assert pair.said()[2] == ["notice: cannot remove it: Permission denied"]
    assert len(stored_records(pair.settings.out)) == 8
    assert run_units(replace(pair.settings, options=Options(scale=1), load=load_nothing)) == Exit.OK
    assert len(stored_records(pair.settings.out)) == 4


def test_a_second_run_at_once_is_refused(folder: Path) -> None:
    settings = unit_settings(folder)
    with locked(folder / "out", ""), pytest.raises(LaaError, match="another `laa batch` is writing to"):
        run_units(settings)


def test_files_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers elsewhere begin in folders of their own."""
    monkeypatch.chdir(tmp_path)
    models = ModelOptions(weights=Path("w.safetensors"), background="b.safetensors")
    settings = unit_settings(tmp_path, models=models, certificate=Path("c.pem"), key=Path("k.pem")).with_absolute_paths()
    files = [*settings.models.files, settings.certificate, settings.key]
    assert files == [tmp_path / name for name in ("w.safetensors", "b.safetensors", "c.pem", "k.pem")]
    assert unit_settings(tmp_path, models=ModelOptions()).with_absolute_paths().models == ModelOptions()
