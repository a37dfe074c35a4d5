"""Atomic writes: whole or not at all, never over a file unless asked, and no temporary file is left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from laa_cli.errors import LaaError
from laa_cli.utils.atomic import check_writable, current_umask, remove_partial_files, write_atomically


def refuse(*_: object) -> None:
    raise OSError(95, "Operation not supported")


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_is_written_with_its_folder(tmp_path: Path, overwrite: bool) -> None:
    path = tmp_path / "new" / "file"
    write_atomically(path, b"content", overwrite=overwrite)
    assert path.read_bytes() == b"content"
    assert path.stat().st_mode & 0o777 == 0o666 & ~current_umask()
    assert os.listdir(path.parent) == ["file"]


def test_a_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    with pytest.raises(LaaError, match="exists already"):
        write_atomically(path, b"after", overwrite=False)
    assert path.read_bytes() == b"before"
    write_atomically(path, iter([b"af", b"ter"]), overwrite=True)
    assert path.read_bytes() == b"after"
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_that_appears_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(LaaError, match="exists already"):
        write_atomically(path, b"mine", overwrite=False, ready=lambda status: path.write_bytes(b"theirs") and None)
    assert path.read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["file"]


def test_without_hard_links_files_are_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "file"
    write_atomically(path, b"content", overwrite=False)
    assert path.read_bytes() == b"content"
    with pytest.raises(LaaError, match="exists already"):
        write_atomically(path, b"other", overwrite=False)
    assert os.listdir(tmp_path) == ["file"]


def test_content_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise OSError(5, "Input/output error")

    with pytest.raises(LaaError, match=r"cannot write .*Input/output error"):
        write_atomically(tmp_path / "file", chunks(), overwrite=True)
    assert os.listdir(tmp_path) == []


def test_what_ready_raises_ends_the_write(tmp_path: Path) -> None:
    def ready(status: os.stat_result) -> None:
        assert status.st_size == len(b"content")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", b"content", overwrite=True, ready=ready)
    assert os.listdir(tmp_path) == []


def test_places_that_cannot_be_written_are_named_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_writable(tmp_path / "new" / "file", overwrite=False)
    assert os.listdir(tmp_path / "new") == []
    check_writable(tmp_path / "file", overwrite=True)
    for path, words in (
        (tmp_path, "is a folder"),
        (tmp_path / "file", "exists already"),
        (tmp_path / "file" / "x", "no folder"),
    ):
        with pytest.raises(LaaError, match=words):
            check_writable(path, overwrite=False)


def test_only_temporary_files_are_removed(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in (".laa-1.part", "deep/.laa-2.part", "deep/photo.part", ".laa"):
        (tmp_path / name).touch()
    remove_partial_files(tmp_path)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"photo.part", ".laa"}
