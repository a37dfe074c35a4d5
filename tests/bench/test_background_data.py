"""The pictures of `laa bench background`: any size and kind, cropped to the scale; what is left out."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import noise_pixels
from PIL import Image

from laa_cli.bench.background_data import read_pictures
from laa_cli.bench.degradation import DEGRADATIONS
from laa_cli.console import Screen
from laa_cli.errors import LaaError

QUIET = Screen(quiet=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(noise_pixels(3, height=70, width=99)).save(folder / "a.png")
    Image.fromarray(noise_pixels(1, height=64, width=60)[..., 0]).save(folder / "b.png")
    Image.fromarray(noise_pixels(1, np.uint16, 50, 50)[..., 0]).save(folder / "c.png")
    Image.fromarray(noise_pixels(4, height=50, width=50)).save(folder / "d.png")
    return folder


def test_every_kind_of_picture_is_cropped_to_the_scale(folder: Path) -> None:
    truths = [picture.truth() for picture in read_pictures(folder, 4, None, QUIET).pictures]
    assert [truth.shape for truth in truths] == [(68, 96, 3), (64, 60, 1), (48, 48, 1), (48, 48, 3)]
    assert {truth.dtype for truth in truths} == {np.dtype(np.uint8)}
    assert np.array_equal(truths[0], noise_pixels(3, height=70, width=99)[:68, :96])
    assert np.array_equal(truths[3], noise_pixels(4, height=50, width=50)[:48, :48, :3])


def test_low_resolution_is_the_scales(folder: Path) -> None:
    for scale in (2, 3, 4):
        picture = read_pictures(folder, scale, 1, QUIET).pictures[0]
        truth = picture.truth()
        assert picture.degrade(truth, DEGRADATIONS["jpeg50"]).shape == (truth.shape[0] // scale, truth.shape[1] // scale, 3)


def test_a_tar_file_is_a_folder(folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "photos.tar", "w") as tar:
        for path in sorted(folder.iterdir(), reverse=True):
            tar.add(path, path.name)
    first, second = (read_pictures(source, 4, 2, QUIET) for source in (folder, tmp_path / "photos.tar"))
    assert [a.content for a in first.pictures] == [b.content for b in second.pictures]
    assert len(first.pictures) == 2


def test_unusable_pictures_are_left_out_by_name(folder: Path, capsys: Any) -> None:
    (folder / "a.png").write_bytes(b"\x89PNG broken")
    Image.new("RGB", (500, 47)).save(folder / "b.png")
    found = read_pictures(folder, 4, None, Screen())
    assert [Path(picture.name).name for picture in found.pictures] == ["c.png", "d.png"]
    notices = capsys.readouterr().err
    assert "a.png" in notices
    assert "b.png is 500x47, no picture of 48 px or more" in notices
    assert str(found) == "2 pictures of photos (2 left out)"


def test_no_pictures_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(LaaError, match=r"no usable pictures in .*empty: it holds no pictures"):
        read_pictures(tmp_path / "empty", 4, None, QUIET)
    Image.new("RGB", (20, 20)).save(tmp_path / "empty" / "small.png")
    with pytest.raises(LaaError, match=r"no usable pictures in .*; the first: .*small.png is 20x20"):
        read_pictures(tmp_path / "empty", 4, None, QUIET)
    with pytest.raises(LaaError, match="there is no such file or folder"):
        read_pictures(tmp_path / "gone.tar", 4, None, QUIET)
