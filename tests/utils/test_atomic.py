"""Atomic writes: whole or not at all, never over a file unless asked, never over an input, and no temporary file is left."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from laa_cli.errors import LaaError
from laa_cli.utils import folders
from laa_cli.utils.atomic import check_target, check_writable, write_atomically
from laa_cli.utils.inputs import NO_INPUTS, Inputs


def refuse(*_: object, **__: object) -> None:
    raise OSError(95, "Operation not supported")


@pytest.fixture(params=["by handle", "by path"], autouse=True)
def platform(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Platforms with functions for open folders, and without."""
    if request.param == "by path":
        monkeypatch.setattr(folders, "BY_HANDLE", False)


def write(path: Path, content: bytes = b"content", **options: Any) -> None:
    write_atomically(path, content, **({"inputs": NO_INPUTS, "overwrite": False} | options))


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_is_written_with_its_folder(tmp_path: Path, overwrite: bool) -> None:
    path = tmp_path / "new" / "deep" / "file"
    write(path, overwrite=overwrite)
    assert path.read_bytes() == b"content"
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode
    assert os.listdir(path.parent) == ["file"]


def test_a_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    with pytest.raises(LaaError, match="exists already"):
        write(path, b"after")
    assert path.read_bytes() == b"before"
    write_atomically(path, iter([b"af", b"ter"]), inputs=NO_INPUTS, overwrite=True)
    assert path.read_bytes() == b"after"
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_that_appears_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(LaaError, match="exists already"):
        write(path, ready=lambda status: path.write_bytes(b"theirs") and None)
    assert path.read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["file"]


def test_without_hard_links_files_are_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "file"
    write(path)
    assert path.read_bytes() == b"content"
    with pytest.raises(LaaError, match="exists already"):
        write(path, b"other", ready=lambda status: None)
    path.unlink()
    with pytest.raises(LaaError, match="exists already"):
        write(path, b"other", ready=lambda status: path.write_bytes(b"theirs") and None)
    assert os.listdir(tmp_path) == ["file"]


def test_content_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise OSError(5, "Input/output error")

    with pytest.raises(LaaError, match=r"cannot write .*Input/output error"):
        write_atomically(tmp_path / "file", chunks(), inputs=NO_INPUTS, overwrite=True)
    assert os.listdir(tmp_path) == []


def test_what_ready_raises_ends_the_write(tmp_path: Path) -> None:
    def ready(status: os.stat_result) -> None:
        assert status.st_size == len(b"content")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "file", overwrite=True, ready=ready)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EACCES, "Permission denied: change its permissions"),
        (errno.EROFS, "Read-only file system: choose a place that is not"),
        (errno.ENOSPC, "No space left on device: make room"),
        (errno.EDQUOT, "Disk quota exceeded: make room within your quota"),
        (errno.EIO, "Input/output error: choose another place"),
    ],
)
def test_the_advice_fits_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str) -> None:
    def fail(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(LaaError, match=f"cannot write .*file: {said}"):
        write(tmp_path / "file")
    assert os.listdir(tmp_path) == []


# What cannot be written is known before the work


def test_places_that_cannot_be_written_are_named_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.symlink("nowhere", tmp_path / "link")
    check_writable(tmp_path / "new" / "file", inputs=NO_INPUTS, overwrite=False)
    assert sorted(os.listdir(tmp_path)) == ["file", "link"]
    check_writable(tmp_path / "file", inputs=NO_INPUTS, overwrite=True)
    for path, words in (
        (tmp_path, "is a folder"),
        (tmp_path / "file", "exists already"),
        (tmp_path / "link", "exists already"),
        (tmp_path / "file" / "x", "file is no folder"),
        (tmp_path / "file" / "new" / "x", "file is no folder"),
        (tmp_path / "link" / "x", "link is no folder"),
        (tmp_path / ("x" * 256), "File name too long: choose a shorter name"),
        (tmp_path / "new" / ("x" * 256), "File name too long: choose a shorter name"),
        (tmp_path / ("x" * 256) / "file", "File name too long: choose a shorter name"),
        (tmp_path / "new" / "a\0b", "null byte: choose another name"),
    ):
        for check in (check_writable, write_atomically_to):
            with pytest.raises(LaaError, match=words):
                check(path, inputs=NO_INPUTS, overwrite=False)
    assert sorted(os.listdir(tmp_path)) == ["file", "link"]


def write_atomically_to(path: Path, **options: Any) -> None:
    write_atomically(path, b"content", **options)


def test_the_longest_name_that_the_system_takes_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    check_writable(path, inputs=NO_INPUTS, overwrite=False)
    write(path)
    assert os.listdir(tmp_path) == [path.name]


def test_a_folder_that_takes_no_file_is_named_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def read_only(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, "Read-only file system")
        return opened(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(LaaError, match="Read-only file system: choose a place that is not read-only"):
        check_writable(tmp_path / "new" / "file", inputs=NO_INPUTS, overwrite=False)


@pytest.mark.parametrize(
    ("make", "kind"), [(os.mkfifo, "a named pipe"), (lambda path: os.symlink("/dev/null", path), "a device")]
)
def test_what_is_no_file_is_never_replaced(tmp_path: Path, make: Callable[[Path], None], kind: str) -> None:
    path = tmp_path / "file"
    make(path)
    before = os.lstat(path)
    with pytest.raises(LaaError, match=f"file is {kind}, not a file"):
        write(path, overwrite=True)
    assert stat.S_IFMT(os.lstat(path).st_mode) == stat.S_IFMT(before.st_mode)


# No input is ever an output


def replaced(link: Path, target: Path) -> None:
    link.rmdir() if link.is_dir() else link.unlink()
    os.symlink(target, link)


@pytest.mark.parametrize("make", [os.symlink, os.link])
def test_no_name_of_an_input_is_written(tmp_path: Path, make: Callable[[Path, Path], None]) -> None:
    photo, other = tmp_path / "photo", tmp_path / "other"
    photo.write_bytes(b"precious")
    make(photo, other)
    inputs = Inputs.of([photo, None, tmp_path / "gone"])
    for path in (photo, other):
        for overwrite in (False, True):
            with pytest.raises(LaaError, match="is an input of this run"):
                check_target(path, inputs=inputs, overwrite=overwrite)
            with pytest.raises(LaaError, match="is an input of this run"):
                write(path, inputs=inputs, overwrite=overwrite)
    assert photo.read_bytes() == b"precious"


def test_a_link_to_an_input_made_while_the_file_is_written_changes_nothing(tmp_path: Path) -> None:
    photo, path = tmp_path / "photo", tmp_path / "file"
    photo.write_bytes(b"precious")

    def chunks() -> Iterator[bytes]:
        yield b"half"
        os.link(photo, path)
        yield b"half"

    with pytest.raises(LaaError, match="is an input of this run"):
        write_atomically(path, chunks(), inputs=Inputs.of([photo]), overwrite=True)
    assert photo.read_bytes() == path.read_bytes() == b"precious"


@pytest.fixture
def tree(tmp_path: Path) -> tuple[Path, Path, Inputs]:
    """A folder of inputs, one for results, and what a run knows of them."""
    source, out = tmp_path / "in", tmp_path / "out"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "photo").write_bytes(b"precious")
    (out / "sub").mkdir(parents=True)
    return source, out, Inputs.in_folder(source, out, [source / "sub" / "photo"])


@pytest.mark.parametrize("name", ["photo", "new", "deep/new"])
def test_no_link_leads_a_result_among_the_inputs(tree: tuple[Path, Path, Inputs], name: str) -> None:
    source, out, inputs = tree
    write(out / "sub" / "first", inputs=inputs)
    for link, target in ((out / "link", source / "sub"), (out / "sub" / "link", source)):
        os.symlink(target, link)
        for path in (link / name, link / "sub" / name):
            with pytest.raises(LaaError, match="leads to the inputs"):
                write(path, inputs=inputs, overwrite=True)
    assert [path.name for path in source.rglob("*")] == ["sub", "photo"]
    assert (source / "sub" / "photo").read_bytes() == b"precious"


def test_a_link_to_elsewhere_can_be_used(tree: tuple[Path, Path, Inputs], tmp_path: Path) -> None:
    _, out, inputs = tree
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", out / "link")
    write(out / "link" / "deep" / "file", inputs=inputs)
    assert (tmp_path / "elsewhere" / "deep" / "file").exists()


def test_results_may_lie_in_a_folder_of_the_inputs_own(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "in" / "results"
    out.mkdir(parents=True)
    inputs = Inputs.in_folder(source, out, [])
    write(out / "deep" / "file", inputs=inputs)
    with pytest.raises(LaaError, match="leads to the inputs"):
        write(source / "file", inputs=inputs)


def test_a_folder_that_becomes_a_link_while_a_file_is_written_redirects_nothing(
    tree: tuple[Path, Path, Inputs], tmp_path: Path
) -> None:
    source, out, inputs = tree

    def chunks() -> Iterator[bytes]:
        yield b"half"
        (out / "sub").rename(tmp_path / "moved")
        os.symlink(source / "sub", out / "sub")

    try:
        write_atomically(out / "sub" / "photo", chunks(), inputs=inputs, overwrite=True)
    except LaaError:  # by path: it is found before the rename
        assert not folders.BY_HANDLE
    assert (source / "sub" / "photo").read_bytes() == b"precious"
    assert os.listdir(source / "sub") == ["photo"]


def test_a_link_made_right_before_the_folder_is_opened_leads_nowhere(
    tree: tuple[Path, Path, Inputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out, inputs = tree
    (source / "sub" / "other").write_bytes(b"no photo")

    def mkdir(*_: Any, **__: Any) -> None:
        (out / "sub").rmdir()
        os.symlink(source / "sub", out / "sub")

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(LaaError, match="leads to the inputs"):
        write(out / "sub" / "other", inputs=inputs, overwrite=True)
    assert (source / "sub" / "other").read_bytes() == b"no photo"
    assert sorted(os.listdir(source / "sub")) == ["other", "photo"]
