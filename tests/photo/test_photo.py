"""Photos as files: read, written atomically, and seen as 8-bit RGB."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from fakes import MAX_PIXELS, SRGB, noise_pixels

from laa_cli.errors import LaaError
from laa_cli.photo import Metadata, Photo, read_photo, without_metadata, write_photo
from laa_cli.utils.inputs import NO_INPUTS


def test_rgb8() -> None:
    deep = np.array([[[0], [128], [129], [65535 - 128], [65535]]], np.uint16)
    expected = np.round(deep.astype(float) * 255 / 65535).astype(np.uint8)
    np.testing.assert_array_equal(Photo(deep).rgb8(), np.repeat(expected, 3, axis=2))
    with_alpha = noise_pixels(4)
    np.testing.assert_array_equal(Photo(with_alpha).rgb8(), with_alpha[:, :, :3])
    assert Photo(noise_pixels(2)).rgb8().shape == (9, 13, 3)


def test_with_pixels_refuses_other_channels() -> None:
    photo = Photo(noise_pixels())
    assert photo.with_pixels(np.zeros((36, 52, 3), np.uint8)).width == 52
    with pytest.raises(ValueError, match="3 channels"):
        photo.with_pixels(np.zeros((36, 52, 4), np.uint8))


def test_without_metadata_keeps_the_profile(metadata: Metadata) -> None:
    assert without_metadata(Photo(noise_pixels(), metadata)).metadata == Metadata(icc=SRGB)


def test_missing_folder_and_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LaaError, match="No such file"):
        read_photo(tmp_path / "none.jpg", max_pixels=MAX_PIXELS)
    with pytest.raises(LaaError, match="folder"):
        read_photo(tmp_path, max_pixels=MAX_PIXELS)
    (tmp_path / "secret.jpg").touch()

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # tests may run as root, whom nothing is denied
    with pytest.raises(LaaError, match="Permission denied"):
        read_photo(tmp_path / "secret.jpg", max_pixels=MAX_PIXELS)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"hello, this is no photo\n" * 9, "not a JPEG"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "HEIC"),
        (b"\xff\xd8\xff\xe0 and no more", "JPEG header"),
    ],
)
def test_no_photos(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(LaaError, match=words):
        read_photo(path, max_pixels=MAX_PIXELS)
    with pytest.raises(LaaError, match="standard input"):
        read_photo(io.BytesIO(content), max_pixels=MAX_PIXELS)


def test_write_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "photo.PNG"
    write_photo(Photo(noise_pixels()), path, inputs=NO_INPUTS, overwrite=False)
    np.testing.assert_array_equal(read_photo(path, max_pixels=MAX_PIXELS).pixels, noise_pixels())
    with pytest.raises(LaaError, match="exists already"):
        write_photo(Photo(noise_pixels()), path, inputs=NO_INPUTS, overwrite=False)
    write_photo(Photo(noise_pixels(1)), path, inputs=NO_INPUTS, overwrite=True)
    assert os.listdir(tmp_path) == ["photo.PNG"]


def test_nothing_is_left_of_a_write_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    for name in ("replace", "link"):
        monkeypatch.setattr(os, name, full)
    for overwrite in (False, True):
        with pytest.raises(LaaError, match="No space left"):
            write_photo(Photo(noise_pixels()), tmp_path / "photo.png", inputs=NO_INPUTS, overwrite=overwrite)
    assert os.listdir(tmp_path) == []
