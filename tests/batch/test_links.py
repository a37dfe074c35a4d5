"""Links in the folder of results: none leads `laa batch` to write, or remove, anything among the photos."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fakes import brighter, contents, records, refuse_to_load, run_batch

from laa_cli.detect.face import Face
from laa_cli.errors import Exit, LaaError
from laa_cli.upscale import Upscaler


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(("link", "target", "failed"), [("b", "b", 2), ("b/c", "b/c", 1), ("b", ".", 2)])
def test_no_link_in_the_results_leads_among_the_photos(
    folder: Path, link: str, target: str, failed: int, overwrite: bool
) -> None:
    before = contents(folder / "in")
    (folder / "out" / link).parent.mkdir(parents=True)
    os.symlink(folder / "in" / target, folder / "out" / link)
    assert run_batch(folder, overwrite=overwrite) == Exit.PARTLY
    assert contents(folder / "in") == before
    assert sum("leads to the inputs" in (record["error"] or "") for record in records(folder)) == failed


def test_no_thumbnail_is_written_or_removed_among_the_photos(folder: Path) -> None:
    before = contents(folder / "in")
    (folder / "out").mkdir()
    os.symlink(folder / "in", folder / "out" / ".laa")
    assert run_batch(folder, report=True) == Exit.FAILED
    assert all("leads to the inputs" in record["error"] for record in records(folder))
    assert contents(folder / "in") == before


def test_a_link_that_is_made_while_photos_are_done_leads_no_result_among_them(folder: Path) -> None:
    before = contents(folder / "in")

    def linking(rgb: Any) -> list[Face]:
        with suppress(FileExistsError):
            os.symlink(folder / "in" / "b", folder / "out" / "b")
        return []

    assert run_batch(folder, lambda: Upscaler(linking, brighter), overwrite=True) == Exit.PARTLY
    assert contents(folder / "in") == before
    assert {path.name for path in (folder / "out").iterdir()} == {".laa.lock", "manifest.jsonl", "a.png", "d.bmp", "b"}


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_no_result_replaces_a_name_of_a_photo(folder: Path, link: Any) -> None:
    before = contents(folder / "in")
    (folder / "out" / "b").mkdir(parents=True)
    link(folder / "in" / "d.bmp", folder / "out" / "a.png")
    link(folder / "in" / "a.png", folder / "out" / "b" / "a.jpg")
    assert run_batch(folder, overwrite=True) == Exit.PARTLY
    assert sum("is an input of this run" in (record["error"] or "") for record in records(folder)) == 2
    assert contents(folder / "in") == before
    assert (folder / "out" / "a.png").samefile(folder / "in" / "d.bmp")


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_neither_the_manifest_nor_the_page_is_a_photo(folder: Path, link: Any) -> None:
    """The manifest is added to and cut off at its last line's end, which a photo would not outlive."""
    photo = folder / "in" / "a.png"
    before = contents(folder / "in")
    (folder / "out").mkdir()
    link(photo, folder / "out" / "manifest.jsonl")
    with pytest.raises(LaaError, match=r"cannot use .*manifest\.jsonl: .*(link)"):
        run_batch(folder, refuse_to_load)
    (folder / "out" / "manifest.jsonl").unlink()
    (folder / "out" / ".laa.lock").unlink()
    os.symlink(photo.with_name("new"), folder / "out" / ".laa.lock")
    with pytest.raises(LaaError, match=r"cannot write to .*out: .*link"):
        run_batch(folder, refuse_to_load)
    (folder / "out" / ".laa.lock").unlink()
    link(photo, folder / "out" / "index.html")
    with pytest.raises(LaaError, match="is an input of this run"):
        run_batch(folder, report=True)
    assert contents(folder / "in") == before


def test_stale_thumbnails_go_and_nothing_else_does(folder: Path) -> None:
    assert run_batch(folder, report=True) == Exit.OK
    thumbnails = folder / "out" / ".laa"
    stale = thumbnails / "ab" / f"ab{'0' * 30}.after.jpg"
    other = folder / "elsewhere" / f"cd{'0' * 30}.after.jpg"
    for path in (stale, other, thumbnails / "ab" / "holiday.jpg"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    os.symlink(folder / "elsewhere", thumbnails / "cd")
    assert run_batch(folder, report=True) == Exit.OK
    assert not stale.exists()
    assert other.exists()
    assert (thumbnails / "ab" / "holiday.jpg").exists()
    shutil.rmtree(thumbnails)
    (folder / "results").mkdir()
    os.symlink(folder / "results", thumbnails)
    (folder / "results" / "ef").mkdir()
    (folder / "results" / "ef" / f"ef{'0' * 30}.after.jpg").touch()
    assert run_batch(folder, report=True) == Exit.OK
    assert os.listdir(folder / "results" / "ef") == [f"ef{'0' * 30}.after.jpg"]
