"""What manifests say, in short: which records hold, whose results are laa's own, and which files say nothing any more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from units import RECIPE, record_of

from laa_cli.batch.manifest import Manifest
from laa_cli.batch.unit_manifest import begun_path, manifest_path, to_lines
from laa_cli.cluster.listing import list_results
from laa_cli.cluster.record_index import RecordIndex
from laa_cli.utils.storage import LocalStorage


@pytest.fixture
def results(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path)


def add(results: LocalStorage, unit: str, *values: Any) -> None:
    results.write(manifest_path(unit), to_lines(values), overwrite=True)


def add_begun(results: LocalStorage, unit: str, *names: str) -> None:
    results.write(begun_path(unit), to_lines({"input": name, "output": name} for name in names), overwrite=True)


def read(results: LocalStorage) -> RecordIndex:
    index = RecordIndex(results)
    listed = list_results(results)
    index.read(listed.manifests, listed.begun)
    return index


def errors(index: RecordIndex) -> dict[str, str | None]:
    return {name: entry.error for name, entry in index.entries.items()}


def left_over(results: LocalStorage) -> list[str]:
    """What a run removes at its end."""
    index = read(results)
    return [*index.superseded(), *index.settled(list_results(results).files)]


def test_records_of_later_runs_and_units_hold(results: LocalStorage) -> None:
    results.write("manifest.jsonl", to_lines([record_of("a.png", error="0"), record_of("z.png", error="0")]), overwrite=True)
    add(results, "0010-00001", record_of("a.png", error="10"))
    add(results, "0009-00001", record_of("a.png", error="9"), record_of("b.png", error="9"))
    add(results, "0009-00002", record_of("b.png", error="9, 2"))
    index = read(results)
    assert errors(index) == {"a.png": "10", "z.png": "0", "b.png": "9, 2"}
    assert [record["error"] for record in index.records(["b.png", "a.png"])] == ["9, 2", "10"]


def test_a_record_in_short(results: LocalStorage) -> None:
    face = {
        "number": 1, "box_xyxy": [10.0, 8.0, 26.0, 24.0], "size_px": 16.0, "confidence": 0.9, "action": "restored",
        "reason": "", "crop": {"x": 1, "y": 1, "side": 20}, "landmarks_xy": [[1.0, 2.0]] * 5, "roll_deg": 0.0,
        "fidelity": 0.5, "consistency": 0.01,
    }  # fmt: skip
    faces = [face | {"name": "Ada"}, face | {"action": "too small", "number": 2}]
    add(results, "0001-00001", record_of("a.png", b"photo", b"its result", faces=faces))
    entry = read(results).entries["a.png"]
    assert (entry.source, entry.result) == ((5, 1), (10, 1))
    assert (entry.restored, entry.names, entry.recipe) == (1, ("Ada",), RECIPE.digest(failed=False))
    assert entry.manifest == "manifest-0001-00001.jsonl"


def test_lines_that_do_not_fit_are_done_again_over_their_own_results(results: LocalStorage) -> None:
    torn = to_lines([record_of("c.png")])[:-9]
    misfit = {"input": "b.png", "output": "b.png", "error": None}
    content = to_lines([record_of("a.png"), record_of("b.png"), misfit, [1], {"input": 3}, {"input": "/x", "output": "/x"}])
    results.write("manifest.jsonl", content + b"nonsense\n\xff\n" + torn, overwrite=True)
    index = read(results)
    assert errors(index) == {"a.png": None}
    assert {*index.outputs} == {"a.png", "b.png"}
    assert index.foreign_lines == 6
    with Manifest(results.folder) as manifest:  # which cuts the torn line off
        assert (manifest.records.keys(), manifest.outputs) == (index.entries.keys(), {*index.outputs})
        assert manifest.foreign_lines == index.foreign_lines - 1


def test_what_was_begun_is_laas_own_and_takes_no_record_away(results: LocalStorage) -> None:
    add(results, "0001-00001", record_of("a.png"))
    add_begun(results, "0002-00001", "a.png", "b.png")
    index = read(results)
    assert errors(index) == {"a.png": None}
    assert {*index.outputs} == {"a.png", "b.png"}
    assert list_results(results).runs == 2


def test_the_runtime_is_that_of_the_last_result(results: LocalStorage) -> None:
    assert read(results).runtime is None
    fast = record_of("a.png")
    fast["options"]["runtime"] = "openvino:CPU"
    add(results, "0002-00001", fast, record_of("b.png", error="x"))
    add(results, "0001-00001", record_of("a.png"))
    assert read(results).runtime == "openvino:CPU"


# What may go


def test_manifests_without_a_record_that_holds_may_go(results: LocalStorage) -> None:
    results.write("manifest.jsonl", to_lines([record_of("a.png")]), overwrite=True)
    add(results, "0001-00001", record_of("a.png"), record_of("b.png"))
    add(results, "0001-00002", record_of("c.png"), record_of("d.png"))
    add(results, "0001-00003")
    add(results, "0002-00001", record_of("a.png"), record_of("b.png"), record_of("c.png"))
    assert left_over(results) == ["manifest-0001-00001.jsonl", "manifest-0001-00003.jsonl"]


def test_a_manifest_that_alone_tells_of_a_result_stays(results: LocalStorage) -> None:
    """The photo failed in a later run, be it for good: its earlier result is still laa's own."""
    add(results, "0001-00001", record_of("a.png"))
    add(results, "0001-00002", {"input": "b.png", "output": "b.png"})
    add(results, "0002-00001", record_of("a.png", error="damaged"), record_of("b.png", error="damaged"))
    assert left_over(results) == []
    add(results, "0003-00001", record_of("a.png"), record_of("b.png"))
    assert left_over(results) == ["manifest-0001-00001.jsonl", "manifest-0001-00002.jsonl", "manifest-0002-00001.jsonl"]


@pytest.mark.parametrize(
    ("recorded", "there", "goes"),
    [
        ([], [], True),  # nothing was written
        ([], ["a.png"], False),
        ([record_of("a.png")], ["a.png", "b.png"], False),
        ([record_of("a.png"), record_of("b.png")], ["a.png", "b.png"], True),
        ([record_of("a.png"), record_of("b.png", error="x")], ["a.png"], True),
        ([record_of("a.png"), record_of("b.png", error="x")], ["a.png", "b.png"], False),
    ],
)
def test_what_was_begun_goes_once_all_is_recorded(
    recorded: list[Any], there: list[str], goes: bool, results: LocalStorage
) -> None:
    add_begun(results, "0001-00001", "a.png", "b.png")
    add(results, "0002-00001", *recorded, record_of("other.png"))
    for name in there:
        results.write(name, b"result", overwrite=True)
    assert left_over(results) == ([begun_path("0001-00001")] if goes else [])


def test_what_this_run_has_done_counts(results: LocalStorage) -> None:
    add(results, "0001-00001", record_of("a.png"))
    add_begun(results, "0001-00002", "b.png")
    results.write("b.png", b"result", overwrite=True)
    index = read(results)
    for name in ("a.png", "b.png"):
        index.remember("manifest-0002-00001.jsonl", record_of(name))
    assert [*index.superseded(), *index.settled({"b.png"})] == ["manifest-0001-00001.jsonl", begun_path("0001-00002")]
