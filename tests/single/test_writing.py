"""What `laa upscale` writes and where: what can be known before the work is, and what fails after it is told as it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fakes import brighter, no_stdin, one_face, write_photo_of_noise

from laa_cli.console import Screen
from laa_cli.detect.face import Face
from laa_cli.errors import Exit
from laa_cli.single.plan import UpscaleRequest
from laa_cli.single.run import run
from laa_cli.upscale import Options, Upscaler

[FACE] = one_face(None)


def found(*faces: Face) -> Upscaler:
    return Upscaler(lambda rgb: list(faces), brighter)


def upscale(inputs: list[Path], upscaler: Upscaler | None = None, **job: Any) -> Exit:
    loaded = upscaler or found(FACE)
    return run(inputs, UpscaleRequest(options=Options(), **job), lambda: loaded, Screen(), no_stdin)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return write_photo_of_noise(tmp_path / "photo.png")


@pytest.mark.parametrize("job", [{"faces_dir": "file"}, {"compare": "file/both.png"}, {"output": "file/new/x.png"}])
def test_a_place_that_is_no_folder_is_found_before_any_work(
    photo: Path, tmp_path: Path, job: dict[str, str], capsys: Any
) -> None:
    def detect(rgb: Any) -> list[Face]:
        raise AssertionError("detected")

    (tmp_path / "file").touch()
    places = {name: tmp_path / place for name, place in job.items()}
    assert upscale([photo], Upscaler(detect, brighter), **places) == Exit.FAILED
    assert "file is no folder: choose another place" in " ".join(capsys.readouterr().err.split())
    assert sorted(os.listdir(tmp_path)) == ["file", "photo.png"]


def test_a_faces_name_that_is_too_long_is_found_before_any_work(photo: Path, tmp_path: Path, capsys: Any) -> None:
    long = photo.rename(photo.with_name("x" * 240 + ".png"))
    assert upscale([long], faces_dir=tmp_path / "faces") == Exit.FAILED
    assert "File name too long: choose a shorter name" in " ".join(capsys.readouterr().err.split())
    assert os.listdir(tmp_path) == [long.name]
    longest = long.rename(photo.with_name("x" * 237 + ".png"))
    assert upscale([longest], faces_dir=tmp_path / "faces") == Exit.OK
    assert {len(name) for name in os.listdir(tmp_path / "faces")} == {254, 255}


def test_a_faces_picture_that_is_there_is_found_before_anything_is_written(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "photo_face02_after.png").write_bytes(b"precious")
    assert upscale([photo], found(FACE), faces_dir=tmp_path / "faces") == Exit.OK
    photo.with_name("photo_x4.png").unlink()
    both = found(FACE, FACE)
    (tmp_path / "faces" / "photo_face01_before.png").unlink()
    (tmp_path / "faces" / "photo_face01_after.png").unlink()
    assert upscale([photo], both, faces_dir=tmp_path / "faces") == Exit.FAILED
    assert os.listdir(tmp_path / "faces") == ["photo_face02_after.png"]
    assert not photo.with_name("photo_x4.png").exists()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError()])
def test_a_photo_whose_pictures_fail_is_done_in_part(
    photo: Path, tmp_path: Path, error: Any, capsys: Any, monkeypatch: Any
) -> None:
    fsync, calls = os.fsync, []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) > 1:
            raise error
        fsync(handle)

    monkeypatch.setattr(os, "fsync", full)
    assert upscale([photo, photo.with_name("gone.png")], faces_dir=tmp_path / "faces") == Exit.PARTLY
    said = " ".join(capsys.readouterr().err.split())
    assert f"; the photo itself was written to {photo.with_name('photo_x4.png')}" in said
    assert photo.with_name("photo_x4.png").exists()
    assert os.listdir(tmp_path / "faces") == []


def test_what_killed_runs_left_where_results_go_is_removed(photo: Path, tmp_path: Path) -> None:
    for name in (".laa-1.part", "faces/.laa-2.part", "other/.laa-3.part"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert upscale([photo], faces_dir=tmp_path / "faces") == Exit.OK
    assert [path.name for path in tmp_path.rglob("*.part")] == [".laa-3.part"]


def test_the_weights_are_never_the_output(photo: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.png"
    weights.write_bytes(b"precious")
    assert upscale([photo], output=weights, model_files=(weights,), overwrite=True) == Exit.FAILED
    assert weights.read_bytes() == b"precious"
