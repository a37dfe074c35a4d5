"""`laa detect --write-tags`, with a fake detector: copies with tags, and originals as they were."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
from fakes import no_stdin, one_face, write_photo_of_noise
from typer.testing import CliRunner

from laa_cli.commands.app import app
from laa_cli.console import Screen
from laa_cli.errors import Exit, UsageError
from laa_cli.photo import read_photo
from laa_cli.single.detect import run
from laa_cli.single.tagged_copy import plan_copies


def write_tags(photos: list[Path], output: str | Path | None, stdin: Any = no_stdin, **changes: Any) -> Exit:
    choices: dict[str, Any] = {"overwrite": False, "max_pixels": 10**6, "as_json": False} | changes
    return run(photos, output, lambda: one_face, Screen(), stdin, write_tags=True, **choices)


def tags_of(path: Path) -> int:
    return len(read_photo(path, max_pixels=None).face_tags)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".jfif", ".JPG"])
def test_a_copy_is_tagged_and_the_photo_is_not(suffix: str, tmp_path: Path, capsys: Any) -> None:
    photo = write_photo_of_noise(tmp_path / "photo.jpg" if suffix == ".jfif" else tmp_path / f"photo{suffix}")
    photo = photo.rename(photo.with_suffix(suffix))
    before = photo.read_bytes()
    copy = tmp_path / f"copy{suffix}"
    assert write_tags([photo], copy) == Exit.OK
    assert f"{copy}: 40x34, faces found: 1, face tags added: 1" in capsys.readouterr().out
    assert photo.read_bytes() == before
    assert (tags_of(photo), tags_of(copy)) == (0, 1)
    again = tmp_path / f"again{suffix}"
    assert write_tags([copy], again) == Exit.OK
    assert "faces found: 1, face tags added: 0" in capsys.readouterr().out
    assert again.read_bytes() == copy.read_bytes()


def test_several_keep_their_names_in_a_folder(tmp_path: Path, capsys: Any) -> None:
    photos = [write_photo_of_noise(tmp_path / name) for name in ("a.png", "b.JPG")]
    photos.append(photos[1].with_name("c.jfif"))
    photos[2].write_bytes(photos[1].read_bytes())
    assert write_tags(photos, f"{tmp_path}/tagged/") == Exit.OK
    assert sorted(os.listdir(tmp_path / "tagged")) == ["a.png", "b.JPG", "c.jfif"]
    assert write_tags(photos, tmp_path, overwrite=True) == Exit.FAILED
    assert capsys.readouterr().err.count("is an input of this run") == 3
    assert [tags_of(photo) for photo in photos] == [0, 0, 0]


def test_no_copy_is_written_over(tmp_path: Path, capsys: Any) -> None:
    photo, copy = write_photo_of_noise(tmp_path / "photo.png"), tmp_path / "copy.png"
    copy.write_bytes(b"mine")
    assert write_tags([photo], copy) == Exit.FAILED
    assert "exists already" in capsys.readouterr().err
    assert copy.read_bytes() == b"mine"
    assert write_tags([photo], copy, overwrite=True) == Exit.OK
    assert tags_of(copy) == 1
    assert write_tags([photo], photo, overwrite=True) == Exit.FAILED
    assert tags_of(photo) == 0


def test_what_cannot_be_a_copy_is_said_before_any_work(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    for output, message in [
        (None, "--write-tags needs a place for the copies, since no photo is changed: give --output"),
        (tmp_path / "copy.png", f"--output {tmp_path / 'copy.png'} cannot be a copy of {photo} in another format"),
        (tmp_path / "copy.x", f"name it {tmp_path / 'copy.jpg'}"),
        ("-", "is not possible here"),
    ]:
        with pytest.raises(UsageError) as caught:
            write_tags([photo], output)
        assert message in caught.value.for_command_line()
    assert plan_copies([tmp_path / "photo.tiff"], tmp_path / "copy.tif") == [tmp_path / "copy.tif"]


@pytest.mark.parametrize("suffix", [".avif", ".bmp"])
def test_formats_that_cannot_be_tagged(suffix: str, tmp_path: Path, capsys: Any) -> None:
    photo = write_photo_of_noise(tmp_path / f"photo{suffix}")

    def load() -> Any:
        raise AssertionError("no detector is needed")

    code = run(
        [photo], tmp_path / f"copy{suffix}", load, Screen(), no_stdin,
        write_tags=True, as_json=False, overwrite=False, max_pixels=None,
    )  # fmt: skip
    assert code == Exit.FAILED
    said = " ".join(capsys.readouterr().err.split())
    assert f"it is {suffix[1:].upper()}: the formats that can be tagged are JPEG, PNG, WebP, TIFF" in said
    assert os.listdir(tmp_path) == [photo.name]


def test_standard_input(tmp_path: Path, capsys: Any) -> None:
    content = write_photo_of_noise(tmp_path / "photo.png").read_bytes()
    assert write_tags([Path("-")], tmp_path / "copy.png", lambda: io.BytesIO(content)) == Exit.OK
    assert tags_of(tmp_path / "copy.png") == 1
    assert write_tags([Path("-")], tmp_path / "copy.jpg", lambda: io.BytesIO(content)) == Exit.FAILED
    assert "the photo on standard input is PNG, and a copy stays that" in " ".join(capsys.readouterr().err.split())


def test_content_credentials_no_longer_fit(tmp_path: Path, capsys: Any) -> None:
    from metadata_samples import png  # not at the top: one test needs it

    photo = tmp_path / "photo.png"
    photo.write_bytes(png((b"caBX", b"c2pa")))
    assert write_tags([photo], tmp_path / "copy.png") == Exit.OK
    assert "its content credentials are those of" in " ".join(capsys.readouterr().err.split())


def test_the_command_line(tmp_path: Path) -> None:
    photo = write_photo_of_noise(tmp_path / "photo.png")
    result = CliRunner().invoke(app, ["detect", str(photo), "--write-tags"])
    assert isinstance(result.exception, UsageError)
