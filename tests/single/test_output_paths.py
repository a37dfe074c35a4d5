"""Where the results of single photos go."""

from __future__ import annotations

from pathlib import Path

import pytest

from laa_cli.errors import LaaError
from laa_cli.single.output_paths import STREAM, check_unique, plan_outputs


def test_plan_names_outputs(tmp_path: Path) -> None:
    photos = [Path("a/b.jpg"), Path("c.GIF")]
    assert plan_outputs(photos, None, "_x4") == [Path("a/b_x4.jpg"), Path("c_x4.png")]
    assert plan_outputs(photos, tmp_path, "_x2") == [tmp_path / "b_x2.jpg", tmp_path / "c_x2.png"]
    assert plan_outputs([STREAM], None, "_x4") == plan_outputs([Path("a.jpg")], STREAM, "_x4", stream=True) == [STREAM]
    assert plan_outputs(photos[:1], Path("out.webp"), "_x4") == [Path("out.webp")]
    assert plan_outputs(photos[:1], Path("new_folder"), "_x4") == [Path("new_folder/b_x4.jpg")]


def test_colliding_outputs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LaaError, match="written twice"):
        check_unique(plan_outputs([Path("a/b.jpg"), Path("c/b.jpg")], tmp_path, "_x4"))
    (tmp_path / "file.jpg").touch()
    for output in (tmp_path / "file.jpg", tmp_path / "new.jpg", STREAM):
        with pytest.raises(LaaError, match="folder"):
            plan_outputs([Path("a.jpg"), Path("b.jpg")], output, "_x4")


def test_a_folder_without_a_name_has_a_place_too_so_that_reading_it_is_what_fails() -> None:
    assert plan_outputs([Path(), Path("/")], None, "_x4") == [Path("_x4.png"), Path("/_x4.png")]
