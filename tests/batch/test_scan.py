"""Which photos a folder holds, and what their results are called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fakes import batch_request, refuse_to_load, result_files, run_batch, write_photo_of_noise
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
