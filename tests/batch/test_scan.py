"""Which photos a folder holds, and what their results are called."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import pytest
from fakes import batch_request, lock_folders, refuse_to_load, result_files, run_batch, write_photo_of_noise
from PIL import Image

from laa_cli.batch.scan import NameFilter
from laa_cli.errors import Exit, LaaError


def test_names(folder: Path) -> None:
    source = folder / "in"
    with Image.open(source / "a.png") as photo:
        photo.convert("P").save(source / "a.gif")
        photo.save(source / "A.PNG")
    write_photo_of_noise(source / "b" / "x.gif.png")
    (source / "b" / "x.gif").write_bytes((source / "a.gif").read_bytes())
    assert run_batch(folder) == Exit.OK
    expected = {"a.png", "A.PNG", "a.gif.png", "b/x.gif.png", "b/x.gif.png.png", "b/a.jpg", "b/c/ä ö.png", "d.bmp"}
    assert result_files(folder / "out").keys() == expected


def test_what_is_passed_over(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    source, elsewhere = folder / "in", tmp_path_factory.mktemp("elsewhere")
    write_photo_of_noise(elsewhere / "secret.png")
    (source / "out.png").symlink_to(elsewhere / "secret.png")
    (source / "outside").symlink_to(elsewhere)
    (source / "loop").symlink_to(source)
    (source / "inside.png").symlink_to(source / "a.png")
    write_photo_of_noise(source / ".hidden.png")
    write_photo_of_noise(source / ".trash" / "x.png")
    os.mkfifo(source / "pipe.png")
    (source / "broken.png").symlink_to(source / "gone.png")
    results = source / "results"  # inside of the folder itself
    assert run_batch(folder, out=results) == Exit.OK
    assert run_batch(folder, refuse_to_load, out=results) == Exit.OK
    assert result_files(results).keys() == {"a.png", "b/a.jpg", "b/c/ä ö.png", "d.bmp", "inside.png"}


def test_folders_that_cannot_be_read_are_named_and_the_rest_is_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    lock_folders(monkeypatch, folder / "in" / "b" / "c")
    (folder / "in" / "loop.png").symlink_to("loop.png")
    assert run_batch(folder) == Exit.PARTLY
    assert result_files(folder / "out").keys() == {"a.png", "b/a.jpg", "d.bmp"}
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        f"error: cannot read {folder}/in/b/c: Permission denied: check that it is there and that you may read it",
        f"error: cannot read {folder}/in/loop.png: Too many levels of symbolic links: check that it is there and that you may "
        "read it",
    ]
    assert re.search(r"folders not read +│ +2", captured.out)
    (folder / "in" / "loop.png").unlink()
    monkeypatch.undo()
    assert run_batch(folder) == Exit.OK


def test_a_folder_whose_files_cannot_be_looked_at_is_named_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    write_photo_of_noise(folder / "in" / "b" / "z.png")
    stat = os.stat

    def guarded_stat(path: Any, **choices: Any) -> os.stat_result:
        if str(path).startswith(f"{folder}/in/b/"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **choices)

    monkeypatch.setattr(os, "stat", guarded_stat)
    assert run_batch(folder) == Exit.PARTLY
    assert result_files(folder / "out").keys() == {"a.png", "d.bmp"}
    assert capsys.readouterr().err.count(f"cannot read {folder}/in/b:") == 1


def test_a_folder_that_vanishes_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    scandir = os.scandir

    def vanishing(path: Any) -> Any:
        if path == f"{folder}/in/b/c":
            os.rename(path, folder / "elsewhere")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", vanishing)
    assert run_batch(folder) == Exit.PARTLY
    assert f"cannot read {folder}/in/b/c: No such file or directory" in capsys.readouterr().err


def test_a_folder_that_cannot_be_read_at_all_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock_folders(monkeypatch, folder / "in")
    with pytest.raises(LaaError, match=r"cannot read .*in: Permission denied") as error:
        run_batch(folder)
    assert error.value.code == Exit.FAILED


def test_patterns_know_no_case(folder: Path) -> None:
    write_photo_of_noise(folder / "in" / "IMG_1.JPG")
    write_photo_of_noise(folder / "in" / "e\u0301t\u00e9.bmp")
    run_batch(folder, selection=NameFilter(("*.jpg", "\u00e9T\u00c9*")))
    assert result_files(folder / "out").keys() == {"b/a.jpg", "IMG_1.JPG", "e\u0301t\u00e9.bmp"}
    run_batch(folder, out=folder / "other", selection=NameFilter(("*.JPG",), ("img*",)))
    assert result_files(folder / "other").keys() == {"b/a.jpg"}


def test_include_and_exclude(folder: Path) -> None:
    run_batch(folder, selection=NameFilter(("*.png", "b/*"), ("b/c/*",)))
    assert result_files(folder / "out").keys() == {"a.png", "b/a.jpg"}


@pytest.mark.parametrize(
    "places", [("in", "in"), ("in/b", "in"), ("in", "."), ("in/a.png", "out"), ("in", "in/a.png"), ("gone", "out")]
)
def test_folders_that_do_not_fit(folder: Path, places: tuple[str, str]) -> None:
    with pytest.raises(LaaError) as error:
        batch_request(folder, source=folder / places[0], out=folder / places[1])
    assert error.value.code == Exit.USAGE


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(LaaError, match="no photo"):
        run_batch(tmp_path)
