"""`laa detect` on files, with a fake detector: what it writes, and what it says of that in tables and lines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fakes import no_stdin, one_face, write_photo_of_noise

from laa_cli.console import Screen
from laa_cli.errors import Exit
from laa_cli.single.detect import run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return write_photo_of_noise(tmp_path / "photo.png")


def detect(photos: list[Path], output: str | Path | None = None, *, as_json: bool = False, **changes: Any) -> Exit:
    choices: dict[str, Any] = {"overwrite": False, "max_pixels": 10**6} | changes
    return run(photos, output, lambda: one_face, Screen(data_on_stdout=as_json), no_stdin, as_json=as_json, **choices)


def test_several_photos_have_a_line_each_and_their_faces_on_request(tmp_path: Path, capsys: Any) -> None:
    photos = [write_photo_of_noise(tmp_path / name) for name in ("a.png", "b.png")]
    assert detect(photos) == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(",")[0] for line in lines] == [f"{photo}: 40x34, faces found: 1" for photo in photos]
    assert detect(photos, list_faces=True) == Exit.OK
    assert capsys.readouterr().out.count("0.990") == 2
    assert detect(photos[:1]) == Exit.OK
    assert capsys.readouterr().out.count("0.990") == 1


def test_what_is_written_is_said(photo: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / ".laa-1.part").touch()
    assert detect([photo], tmp_path / "drawn.png") == Exit.OK
    assert f"{tmp_path / 'drawn.png'}: 40x34, faces drawn: 1" in capsys.readouterr().out
    assert detect([photo], f"{tmp_path}/new.d/", as_json=True) == Exit.OK
    assert "photo_faces.png: 40x34, faces drawn: 1" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["drawn.png", "new.d", "photo.png"]
    assert detect([photo]) == Exit.OK
    assert "drawn" not in capsys.readouterr().out


def test_no_photo_is_drawn_over(photo: Path, tmp_path: Path, capsys: Any) -> None:
    other = write_photo_of_noise(tmp_path / "drawn" / "photo_faces.png")
    before = other.read_bytes()
    assert detect([photo, other], tmp_path / "drawn", overwrite=True) == Exit.PARTLY
    assert "is an input of this run" in capsys.readouterr().err
    assert other.read_bytes() == before
