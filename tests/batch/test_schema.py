"""Manifests from anybody's hand: what does not fit is done again, and leads nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import contents, records, refuse_to_load, result_files, run_batch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laa_cli.batch.schema import is_name_pair, parse_record
from laa_cli.errors import Exit

Record = dict[str, Any]


def changed(**values: Any) -> Callable[[Record], str]:
    return lambda record: json.dumps(record | values)


def without(name: str) -> Callable[[Record], str]:
    return lambda record: json.dumps({key: value for key, value in record.items() if key != name})


def with_face(**values: Any) -> Callable[[Record], str]:
    return lambda record: json.dumps(record | {"faces": [record["faces"][0] | values]})


DEEP = "[" * 100_000 + "]" * 100_000
DAMAGES: dict[str, Callable[[Record], str]] = {
    "a hash that is a path": changed(output_sha256="../../../../x"),
    "a hash in capitals": lambda record: json.dumps(record | {"output_sha256": record["output_sha256"].upper()}),
    "a hash and a line": lambda record: json.dumps(record | {"output_sha256": record["output_sha256"] + "\n"}),
    "width of HTML": changed(width="<script>alert(1)</script>"),
    "width below 1": changed(width=0),
    "height without end": lambda record: json.dumps(record)[:-1] + ', "height": ' + "9" * 4000 + "}",
    "width that is true": changed(width=True),
    "width that is not whole": changed(width=1.5),
    "NaN": changed(seconds={"read": float("nan")}),
    "an infinite number": lambda record: json.dumps(record | {"seconds": {"a": 7}}).replace('{"a": 7}', '{"a": 1e999}'),
    "a key that stands twice": lambda record: json.dumps(record)[:-1] + ', "width": [7]}',
    "faces that are none": changed(faces=7),
    "a face without a crop": lambda record: json.dumps(record | {"faces": [{"action": "restored"}]}),
    "a face numbered by HTML": with_face(number="<b>"),
    "a crop that is a list": with_face(crop=[1, 2, 3]),
    "a crop without a side": with_face(crop={"x": 1, "y": 2}),
    "no hash of the photo": without("sha256"),
    "a hash that is null": changed(sha256=None),
    "no hash of the result": without("output_sha256"),
    "no options": without("options"),
    "options that are none": changed(options=[]),
    "a limit that is a text": changed(options={"scale": 2, "max_pixels": "much"}),
    "an option that is no number": changed(options={"scale": 2, "margin": float("nan")}),
    "a scale that there is not": changed(options={"scale": 3, "max_pixels": 10**6}),
    "nested options": lambda record: json.dumps(record | {"options": record["options"] | {"a": [[[7]]]}}),
    "no versions": without("versions"),
    "an error that is a number": changed(error=7),
    "a recipe that is a list": changed(recipe=["x"]),
    "no time": without("output_mtime_ns"),
    "a background that is a list": changed(background=["plain"]),
    "a background's fidelity that is a text": changed(background_fidelity="<b>"),
    "background weights that are a number": changed(background_weights=7),
}  # fmt: skip
NOT_EVEN_NAMES: dict[str, Callable[[Record], str]] = {
    "a list": lambda record: "[1, 2]",
    "deep JSON": lambda record: DEEP,
    "a line of 20 MB": lambda record: json.dumps("x" * 20_000_000),
    "binary": lambda record: "\x00\x01\x7f",
    "an input that is a list": changed(input=["a.png"]),
    "an output that is a number": changed(output=3),
    "an input outside": changed(input="../a.png", output="../a.png"),
    "an output outside": changed(output="../../a.png"),
    "an absolute output": changed(output="/tmp/a.png"),
    "a name with NUL": changed(input="a\0.png", output="a\0.png"),
    "a name that no file can have": changed(input="\ud800.png", output="\ud800.png"),
}


def damage(folder: Path, change: Callable[[Record], str], name: str = "a.png") -> None:
    """Damages the record of one photo."""
    lines = [change(record) if record["input"] == name else json.dumps(record) for record in records(folder)]
    (folder / "out" / "manifest.jsonl").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_record_that_does_not_fit_is_done_again_and_that_is_said_once(folder: Path, kind: str, capsys: Any) -> None:
    run_batch(folder)
    before, whole = result_files(folder / "out"), len(records(folder))
    damage(folder, DAMAGES[kind])
    (folder / "out" / "a.png").write_bytes(b"spoilt")  # the damaged record knows it no more
    capsys.readouterr()
    assert run_batch(folder, report=True) == Exit.OK
    assert capsys.readouterr().err.count("that do not fit, and are done again: 1") == 1
    written = contents(folder)
    assert {name for name in written if name.split("/")[0] not in ("in", "out")} == set()
    page = written.pop("out/index.html").decode()
    assert "<script" not in page
    assert "<b>" not in page
    found = result_files(folder / "out")
    assert {name: found[name] for name in before} == before
    assert len((folder / "out" / "manifest.jsonl").read_bytes().splitlines()) == whole + 1
    assert run_batch(folder, refuse_to_load, report=True) == Exit.OK
    assert "notice" not in capsys.readouterr().err


@pytest.mark.parametrize("kind", NOT_EVEN_NAMES)
def test_a_line_that_names_no_photo_is_passed_over(folder: Path, kind: str, capsys: Any) -> None:
    run_batch(folder)
    damage(folder, NOT_EVEN_NAMES[kind])
    before = contents(folder / "in")
    capsys.readouterr()
    assert run_batch(folder) == Exit.PARTLY  # nobody knows whose a.png is
    err = capsys.readouterr().err
    assert "that are no records, and are passed over: 1" in err
    assert "a.png exists already" in err
    assert run_batch(folder, overwrite=True, report=True) == Exit.OK
    assert contents(folder / "in") == before
    assert {path.name for path in folder.iterdir()} == {"in", "out"}


def test_a_background_of_html_is_shown_as_text(folder: Path) -> None:
    run_batch(folder)
    damage(folder, changed(background="<b>\x1b"))
    assert run_batch(folder, refuse_to_load, report=True) == Exit.OK
    page = (folder / "out" / "index.html").read_text()
    assert "background &lt;b&gt;" in page
    assert not {"<b>", "\x1b"} & set(page.partition("<body")[2].split(","))


def test_old_records_are_shown_without_a_background(folder: Path) -> None:
    run_batch(folder)
    damage(folder, without("background"))
    assert run_batch(folder, refuse_to_load, report=True) == Exit.OK
    page = (folder / "out" / "index.html").read_text()
    assert page.count("1 of 1 faces restored, background plain<") == 3
    assert page.count("1 of 1 faces restored<") == 1


def test_a_crop_far_from_the_photo_is_no_face_of_it(folder: Path) -> None:
    run_batch(folder)
    damage(folder, with_face(crop={"x": 2**30, "y": 0, "side": 2**30}))
    assert run_batch(folder, refuse_to_load, report=True) == Exit.OK


# A record as laa's first batches wrote it; what it lacks by now would have all old photos done again.
OLD = (
    '{"input": "b/a.jpg", "output": "b/a.jpg", "size": 3116, "mtime_ns": 1763641920123456789, "sha256": "%s", "width": 80, '
    '"height": 68, "faces": [{"number": 1, "box_xyxy": [10.0, 8.0, 26.0, 24.0], "size_px": 16.0, "confidence": 0.99, '
    '"landmarks_xy": [[14.8, 14.4], [21.2, 14.4], [18.0, 17.6], [15.6, 20.8], [20.4, 20.8]], "crop": {"x": 8, "y": 6, "side": '
    '20}, "action": "restored", "reason": "within --max-face 96", "roll_deg": 0.0, "fidelity": null, "consistency": 0.01}], '
    '"output_sha256": "%s", "output_size": 9361, "recipe": "%s", "output_mtime_ns": 1763641921123456789, "error": null, '
    '"versions": {"laa": "0.1.0", "torch": "2.11.0"}, "weights": "%s", "options": {"scale": 2, "max_face_px": 96, "margin": '
    '1.25, "feather": 0.2, "max_pixels": 700000000, "min_face": 12.0, "confidence": 0.94, "strip_metadata": false, '
    '"require_face": false}, "seconds": {"read": 0.0012, "write": 0.01}}'
) % (("ab" * 32,) * 4)


def test_old_records_fit() -> None:
    old = json.loads(OLD)
    assert parse_record(old) == old
    failed = {name: old[name] for name in ("input", "output", "versions", "weights", "options")}
    failed |= {"size": None, "mtime_ns": None, "sha256": None, "recipe": None, "error": "cannot read it"}
    assert parse_record(failed) == failed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda part: st.lists(part) | st.dictionaries(st.text(), part),
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(json.loads(OLD))), JSON)
def test_no_value_of_a_field_is_too_much(name: str, value: Any) -> None:
    record = parse_record(json.loads(OLD) | {name: value})
    assert record is None or json.dumps(record)


@pytest.mark.parametrize(
    ("photo", "output", "fits"),
    [
        ("a.gif", "a.gif.png", True), ("a.gif", "a.gif.png.png", True), ("ä/ö ü.jpg", "ä/ö ü.jpg", True),
        ("\udcff.jpg", "\udcff.jpg", True), ("a.gif", "a.png", False), ("a.gif", "a.gif.pn", False), ("", "", False),
        (".", ".", False), ("a/../b.jpg", "a/../b.jpg", False), ("a//b.jpg", "a//b.jpg", False), ("/a.jpg", "/a.jpg", False),
        ("./a.jpg", "./a.jpg", False), ("..", "..", False),
    ],
)  # fmt: skip
def test_names(photo: str, output: str, fits: bool) -> None:
    assert is_name_pair(photo, output) == fits
