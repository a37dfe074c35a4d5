"""JSON Lines files: whole lines stay, a torn one goes, and what a full disk does is an error."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from laa_cli.utils.jsonl import MAX_LINE_BYTES, JsonLinesFile


@contextmanager
def opened(path: Path, *, fsync: bool = False) -> Iterator[JsonLinesFile]:
    with closing(JsonLinesFile(path, fsync=fsync)) as file:
        yield file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.jsonl"


def test_records_come_back_with_their_ends(path: Path) -> None:
    with opened(path) as file:
        assert file.recover() == []
        file.append({"name": "ä"})
        file.append({"name": "b", "size": 2})
    assert path.read_bytes() == b'{"name": "\\u00e4"}\n{"name": "b", "size": 2}\n'
    with opened(path) as file:
        assert file.recover() == [({"name": "ä"}, 19), ({"name": "b", "size": 2}, 44)]


@pytest.mark.parametrize("torn", [b"{", b'{"name": "b"}', b"\xff\xfe", b"\x00" * 5000])
def test_a_torn_last_line_is_cut_off_before_anything_is_added(path: Path, torn: bytes) -> None:
    path.write_bytes(b'{"name": "a"}\n' + torn)
    with opened(path) as file:
        assert file.recover() == [({"name": "a"}, 14)]
        assert path.read_bytes() == b'{"name": "a"}\n'
        file.append({"name": "c"})
    assert path.read_bytes() == b'{"name": "a"}\n{"name": "c"}\n'


def test_a_file_of_a_torn_line_only_becomes_empty(path: Path) -> None:
    path.write_bytes(b'{"name')
    with opened(path) as file:
        assert file.recover() == []
    assert path.read_bytes() == b""


def test_lines_that_are_not_json_stay_and_are_none(path: Path) -> None:
    content = b'nonsense\n\n[1]\n\xff\n{"name": "a"}\r\n'
    path.write_bytes(content)
    with opened(path) as file:
        assert [record for record, _ in file.recover()] == [None, None, [1], None, {"name": "a"}]
        assert file.recover()[-1] == ({"name": "a"}, len(content))
    assert path.read_bytes() == content


def test_records_behind_a_broken_one_can_be_cut_off(path: Path) -> None:
    path.write_bytes(b'{"name": "a"}\nbroken\n{"name": "c"}\n')
    with opened(path) as file:
        file.truncate(file.recover()[0][1])
        file.append({"name": "d"})
    assert path.read_bytes() == b'{"name": "a"}\n{"name": "d"}\n'


@pytest.mark.parametrize("fsync", [True, False])
def test_only_a_file_that_asks_for_it_waits_for_the_disk(path: Path, fsync: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    with opened(path, fsync=fsync) as file:
        file.append({"name": "a"})
        assert synced == ([file.handle] if fsync else [])


def test_a_record_of_which_the_disk_takes_a_part_is_an_error_and_goes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def write_half(handle: int, content: Any) -> int:
        return write(handle, content[: len(content) // 2])

    with opened(path) as file:
        file.append({"name": "a"})
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", write_half)
            with pytest.raises(OSError, match="the disk took only a part of a record"):
                file.append({"name": "b"})
        assert path.read_bytes() == b'{"name": "a"}\n{"name"'
        assert file.recover() == [({"name": "a"}, 14)]


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_file_that_has_another_name_is_not_touched(path: Path, link: Any) -> None:
    """What is added to it, or cut off behind its last line, would be so of the other."""
    photo = path.with_name("photo")
    photo.write_bytes(b"precious\nbytes")
    link(photo, path)
    with pytest.raises(OSError, match="link"):
        JsonLinesFile(path, fsync=False)
    assert photo.read_bytes() == b"precious\nbytes"


def test_what_is_no_file_is_refused_at_once(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(OSError, match="no regular file"):
        JsonLinesFile(path, fsync=False)


def test_a_file_whose_name_became_a_links_is_still_the_one_that_is_recovered(path: Path) -> None:
    path.write_bytes(b'{"name": "a"}\ntorn')
    with opened(path) as file:
        path.rename(path.with_name("moved"))
        path.with_name("photo").write_bytes(b"precious")
        os.symlink("photo", path)
        assert file.recover() == [({"name": "a"}, 14)]
    assert path.with_name("moved").read_bytes() == b'{"name": "a"}\n'
    assert path.read_bytes() == b"precious"


def test_closing_twice_closes_no_other_file(path: Path) -> None:
    file = JsonLinesFile(path, fsync=False)
    file.close()
    with path.open("rb") as other:
        file.close()
        assert other.read() == b""


@pytest.mark.parametrize(
    "line", [b"[" * 100_000 + b"]" * 100_000, b"\xff\xfe\x00", b"nonsense", b'"' + b"x" * MAX_LINE_BYTES + b'"']
)
def test_what_is_no_json_that_can_be_read_is_none(path: Path, line: bytes) -> None:
    path.write_bytes(line + b'\n{"name": "a"}\n')
    with opened(path) as file:
        assert [value for value, _ in file.recover()] == [None, {"name": "a"}]
