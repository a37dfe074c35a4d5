"""Where the results of single photos go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from laa_cli.errors import LaaError, UsageError
from laa_cli.single.output_paths import STREAM, check_unique, parse_path, plan_outputs


def test_plan_names_outputs(tmp_path: Path) -> None:
    photos = [Path("a/b.jpg"), Path("c.GIF")]
    assert plan_outputs(photos, None, "_x4") == [Path("a/b_x4.jpg"), Path("c_x4.png")]
    assert plan_outputs(photos, tmp_path, "_x2") == [tmp_path / "b_x2.jpg", tmp_path / "c_x2.png"]
    assert plan_outputs([STREAM], None, "_x4") == plan_outputs([Path("a.jpg")], STREAM, "_x4", stream=True) == [STREAM]
    assert plan_outputs(photos[:1], Path("out.webp"), "_x4") == [Path("out.webp")]
    assert plan_outputs(photos[:1], Path("new_folder"), "_x4") == [Path("new_folder/b_x4.jpg")]


def test_colliding_outputs_are_refused(tmp_path: Path) -> None:
    for first, second in ((Path("a/b.jpg"), Path("c/b.jpg")), (Path("a/b.gif"), Path("a/b.png"))):
        targets = zip(plan_outputs([first, second], tmp_path, "_x4"), (str(first), str(second)), strict=True)
        message = (
            rf"b_x4\.\w+ would be written twice, from {first} and from {second}: .* one by one, .*--output, or use `laa batch`"
        )
        with pytest.raises(UsageError, match=message):
            check_unique(targets, "--output")
    with pytest.raises(UsageError, match=r"from a\.jpg and from a\.jpg: name it once"):
        check_unique([(Path("a_x4.jpg"), "a.jpg")] * 2, "--output")
    check_unique([(STREAM, "a.jpg"), (STREAM, "b.jpg")], "--output")
    (tmp_path / "file.jpg").touch()
    for output in (tmp_path / "file.jpg", tmp_path / "new.jpg", STREAM):
        with pytest.raises(LaaError, match="folder"):
            plan_outputs([Path("a.jpg"), Path("b.jpg")], output, "_x4")


def test_a_folder_without_a_name_has_a_place_too_so_that_reading_it_is_what_fails() -> None:
    assert plan_outputs([Path(), Path("/")], None, "_x4") == [Path("_x4.png"), Path("/_x4.png")]


def test_a_slash_at_the_end_means_a_folder(tmp_path: Path) -> None:
    for name in ("new", "new.d", "new.jpg"):
        assert plan_outputs([Path("a/b.jpg")], f"{tmp_path / name}/", "_x4") == [tmp_path / name / "b_x4.jpg"]
    assert plan_outputs([Path("a.jpg")], f"{tmp_path}/new.d", "_x4") == [tmp_path / "new.d"]


def test_only_a_bare_dash_is_a_stream() -> None:
    assert parse_path("-") == parse_path(STREAM) == STREAM
    for text in ("./-", ".//-"):
        path = parse_path(text)
        assert (path.name, path.is_absolute()) == ("-", True)
        assert plan_outputs([path], None, "_x4") == [path.with_name("-_x4.png")]
        assert plan_outputs([Path("a.jpg")], text, "_x4", stream=True) == [path / "a_x4.jpg"]
    assert parse_path("a/-") == Path("a/-")


@pytest.mark.parametrize(("place", "kind"), [("/dev/null", "a device"), ("{}/pipe", "a named pipe")])
def test_what_is_neither_file_nor_folder_is_called_what_it_is(tmp_path: Path, place: str, kind: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    for inputs in ([Path("a.jpg")], [Path("a.jpg"), Path("b.jpg")]):
        with pytest.raises(UsageError, match=f"is {kind}: name a file, or - for stdout"):
            plan_outputs(inputs, place.format(tmp_path), "_x4", stream=True)


def test_a_file_whose_name_says_no_format_is_not_taken_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "notes").touch()
    with pytest.raises(UsageError, match=r"notes is a file, and its name says no format: name another, such as .*notes\.jpg"):
        plan_outputs([Path("a.jpg")], tmp_path / "notes", "_x4")
