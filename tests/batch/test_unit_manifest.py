"""Unit manifests: their names and lines, and how a local batch goes on where a run over storages ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes import batch_request, records, refuse_to_load, result_files, run_batch, write_photo_of_noise
from hypothesis import given
from hypothesis import strategies as st
from units import last_records, record_of, run_units, stored_records, unit_settings

from laa_cli.batch.manifest import Manifest
from laa_cli.batch.unit_manifest import (
    begun_path,
    fold_unit_manifests,
    is_manifest,
    manifest_path,
    order_of,
    parse_lines,
    run_of,
    to_lines,
    unit_name,
    write_unit_manifest,
)
from laa_cli.errors import Exit, FileError, SetupError
from laa_cli.utils.storage import LocalStorage

UNITS = st.tuples(st.integers(0, 10**6), st.integers(0, 10**7))


@given(UNITS, UNITS)
def test_names_sort_as_runs_and_units_do(one: tuple[int, int], other: tuple[int, int]) -> None:
    first, second = (manifest_path(unit_name(*unit)) for unit in (one, other))
    assert (order_of(first), order_of(second)) == (one, other)
    assert order_of("manifest.jsonl") < order_of(first)
    assert run_of(first) == run_of(begun_path(unit_name(*one))) == one[0]
    assert is_manifest(first)
    if max(one[0], other[0]) < 10**4 and max(one[1], other[1]) < 10**5:
        assert (first < second) == (one < other)  # for people's `ls`, too


@pytest.mark.parametrize(
    "name",
    ["manifest.jsonl.png", "manifest-1-1.jsonl", "b/manifest-0001-00001.jsonl", "manifest-0001-00001.jsonl.png",
     ".laa/begun/0001-00001.png", "begun/0001-00001.jsonl", ".laa/0001-00001.jsonl", "manifest-٠٠٠١-٠٠٠٠١.jsonl"],
)  # fmt: skip
def test_other_names_are_of_no_unit(name: str) -> None:
    assert run_of(name) is None
    assert not is_manifest(name)


def test_torn_and_foreign_lines_are_passed_over() -> None:
    content = to_lines([{"a": 1}, [2]]) + b'\xff\xfe\nnonsense\n\n{"a": 3}\r\n' + b"[" * 10**5 + b'\n{"torn": '
    assert list(parse_lines(content)) == [{"a": 1}, [2], None, None, None, {"a": 3}, None, None]


@pytest.mark.parametrize("settled", [True, False])
def test_a_manifest_is_sorted_and_what_said_that_it_was_begun_goes(settled: bool, tmp_path: Path) -> None:
    results = LocalStorage(tmp_path)
    results.write(begun_path("0001-00001"), b"", overwrite=True)
    records = [record_of("b.png"), record_of("a.png"), record_of("b.png", error="later")]
    write_unit_manifest(results, "0001-00001", records, settled=settled)
    lines = list(parse_lines(results.read("manifest-0001-00001.jsonl")))
    assert [(line["input"], line["error"]) for line in lines] == [("a.png", None), ("b.png", None), ("b.png", "later")]
    begun = [] if settled else [".laa/begun/0001-00001.jsonl"]
    assert [name for name, _ in results.files()] == ["manifest-0001-00001.jsonl", *begun]


# A local batch goes on


def add_unit(out: Path, unit: str, *values: Any) -> None:
    LocalStorage(out).write(manifest_path(unit), to_lines(values), overwrite=True)


def add_begun(out: Path, unit: str, *names: str) -> None:
    lines = to_lines({"input": name, "output": name} for name in names)
    LocalStorage(out).write(begun_path(unit), lines, overwrite=True)


def folded(out: Path) -> dict[str, str | None]:
    """The photos that a local batch knows then, with their errors."""
    fold_unit_manifests(out)
    with Manifest(out) as manifest:
        return {name: record["error"] for name, record in manifest.records.items()}


def test_a_local_batch_does_nothing_again(folder: Path, capsys: Any) -> None:
    (folder / "in" / "bad.jpg").write_bytes(b"no photo")
    settings = unit_settings(folder)
    assert run_units(settings) == Exit.PARTLY
    before, results = last_records(stored_records(settings.out)), result_files(folder / "out")
    capsys.readouterr()
    assert run_batch(folder, refuse_to_load, recipe=settings.recipe()) == Exit.PARTLY
    assert last_records(records(folder)) == before
    assert result_files(folder / "out").keys() == {name for name in results if not is_manifest(name)}
    assert capsys.readouterr().err.startswith("notice: photos that failed in an earlier run and are as they were: 1")


def test_later_runs_hold_and_the_local_manifest_is_the_oldest(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_bytes(to_lines([record_of("a.png", error="0"), record_of("b.png", error="0")])[:-20])
    add_unit(tmp_path, "0010-00001", record_of("a.png", error="10"))
    add_unit(tmp_path, "0009-00002", record_of("a.png", error="9"), [1], record_of("c.png", error="9"))
    assert folded(tmp_path) == {"a.png": "10", "c.png": "9"}
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["manifest.jsonl"]


def test_results_of_a_killed_unit_are_replaced_not_refused(folder: Path) -> None:
    run_batch(folder, out=folder / "whole")
    for name in ("a.png", "b/a.jpg"):
        (folder / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "out" / name).write_bytes(b"of the killed unit")
    (folder / "out" / "d.bmp").write_bytes(b"somebody's own")
    add_begun(folder / "out", "0001-00001", "a.png", "b/a.jpg", "b/c/ä ö.png")
    assert run_batch(folder) == Exit.PARTLY
    expected = result_files(folder / "whole") | {"d.bmp": b"somebody's own"}
    assert result_files(folder / "out") == expected
    assert not list((folder / "out" / ".laa" / "begun").iterdir())


def test_what_was_begun_takes_no_record_away(folder: Path) -> None:
    """Of a run over storages that was killed as it looked again at photos with new times."""
    run_batch(folder)
    add_begun(folder / "out", "0001-00001", "a.png", "d.bmp")
    assert run_batch(folder, refuse_to_load) == Exit.OK


@pytest.mark.parametrize("removed", range(6))
def test_a_run_that_is_killed_in_between_does_no_harm(removed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after so many of the files whose lines were added have gone."""
    add_unit(tmp_path, "0001-00001", record_of("a.png", error="1"), record_of("b.png", error="1"))
    add_unit(tmp_path, "0002-00001", record_of("a.png", error="2"), record_of("d.png"))
    add_unit(tmp_path, "0003-00001", record_of("b.png"))
    add_begun(tmp_path, "0001-00002", "d.png", "e.png")
    add_begun(tmp_path, "0002-00002", "b.png")
    remove, calls = LocalStorage.remove, []

    def dying(self: LocalStorage, name: str) -> None:
        calls.append(name)
        if len(calls) > removed:
            raise FileError("killed", OSError())
        remove(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, "remove", dying)
        if removed < 5:
            with pytest.raises(FileError, match="killed"):
                fold_unit_manifests(tmp_path)
        else:
            fold_unit_manifests(tmp_path)
    assert folded(tmp_path) == {"a.png": "2", "b.png": None, "d.png": None}
    with Manifest(tmp_path) as manifest:
        assert manifest.outputs == {"b.png", "d.png", "e.png"}


def test_a_manifest_that_cannot_be_read_is_an_error_of_ours(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(self: LocalStorage, name: str, limit_bytes: int | None = None) -> bytes:
        raise PermissionError(13, "Permission denied")

    add_unit(folder / "out", "0001-00001", record_of("a.png"))
    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, "read", unreadable)
        with pytest.raises(SetupError, match=r"cannot add unit manifests to .*Permission denied.*run the same command again"):
            run_batch(folder, refuse_to_load)
    assert (folder / "out" / "manifest-0001-00001.jsonl").exists()


def test_a_failure_that_is_not_final_is_tried_again(folder: Path) -> None:
    add_unit(folder / "out", "0001-00001", record_of("a.png", error="a full disk", recipe=None))
    assert run_batch(folder) == Exit.OK
    assert json.loads((folder / "out" / "manifest.jsonl").read_text().splitlines()[0])["error"] == "a full disk"


def test_lines_of_a_newer_laa_are_kept(folder: Path) -> None:
    write_photo_of_noise(folder / "in" / "x.png")
    add_unit(folder / "out", "0001-00001", record_of("x.png") | {"newer": {"deep": [1.5]}})
    run_batch(folder, recipe=batch_request(folder).recipe)
    assert records(folder)[0]["newer"] == {"deep": [1.5]}
