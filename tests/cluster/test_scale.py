"""The driver at scale: bytes for each photo, requests to the storages, and what is read quickly is what is read with care."""

from __future__ import annotations

import json
import secrets
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path, PurePath
from sys import intern
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from laa_cli.batch.schema import is_name, parse_record, parse_record_line
from laa_cli.batch.unit_manifest import to_lines
from laa_cli.cluster import run as driver
from laa_cli.cluster.record_entry import EntryTable, RecordEntry
from laa_cli.cluster.record_index import RecordIndex
from laa_cli.cluster.record_reader import RecordReader
from laa_cli.cluster.run import ClusterRequest, ClusterRun
from laa_cli.cluster.unit import UnitPhoto
from laa_cli.console import Screen
from laa_cli.utils.jsonl import parse_line
from laa_cli.utils.storage import FileStatus, LocalStorage
from laa_cli.utils.url_storage import UrlStorage
from tests.cluster.made_up import Killed, StubExecutor, made_up_record, make_photos, photo_names, settings_of, write_small
from tests.cluster.scale import change, touch

RECORD = made_up_record(UnitPhoto("a/b.jpg", "a/b.jpg", FileStatus(10, 1795274646655089152)), b"result", FileStatus(6, 7))

# Memory


def test_the_index_keeps_few_bytes_of_a_record() -> None:
    """Beside the names, which are the listings'. Whole records take 6,000 bytes, RecordEntry 560."""
    names, index = [*map(intern, photo_names(3000))], RecordIndex(LocalStorage(Path("nowhere")))
    tracemalloc.start()
    for name in names:
        photo = UnitPhoto(name, name, FileStatus(secrets.randbits(24), secrets.randbits(62)))
        index.remember("manifest-0001-00001.jsonl", made_up_record(photo, name.encode(), FileStatus(7, 7)))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept / len(names) < 300


@pytest.mark.parametrize(
    "entry",
    [
        RecordEntry("m", "a.gif.png.png", None, None, None, "", "it failed", 0, ()),
        RecordEntry(
            "m", "a.gif", "0" * 64, FileStatus(0, None), FileStatus(2**63 - 1, None), "af" * 32, None, 2**31, ("B", "A")
        ),
        RecordEntry("m", "a.gif", "1" * 64, FileStatus(5, -(2**63)), FileStatus(0, 2**63 - 1), "0" * 64, None, 0, ()),
        RecordEntry("m", "a.gif", "1" * 64, FileStatus(5, 0), None, "", "", 0, ("A",)),
    ],
)
def test_packed_entries_come_back(entry: RecordEntry) -> None:
    table = EntryTable()
    other = RecordEntry("n", "a.gif", "2" * 64, FileStatus(1, 1), None, "", "before", 3, ("C",))
    table["a.gif"] = other
    assert (table["a.gif"], table.holding()) == (other, {"n"})
    table["a.gif"] = entry
    assert (table["a.gif"], table.get("b"), [*table], len(table)) == (entry, None, ["a.gif"], 1)
    assert table.holding() == {"m"}
    del table["a.gif"]
    assert (table.get("a.gif"), len(table), table.holding(), table.errors, table.persons) == (None, 0, set(), {}, {})


# Requests


class CountingStorage(UrlStorage):
    """A storage in memory that counts how often it is asked, and how many files it reads."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.calls: Counter[str] = Counter()

    def files(self, folder: str = "", unreadable: dict[str, str] | None = None) -> Iterator[tuple[str, FileStatus]]:
        self.calls["files"] += 1
        return super().files(folder, unreadable)

    def read_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        for name, content in super().read_many(names):
            self.calls["read"] += 1
            yield name, content

    def remove_many(self, names: Iterable[str]) -> None:
        for name in names:
            self.calls["removed"] += 1
            UrlStorage(self.url).remove(name)

    def __getattribute__(self, name: str) -> Any:
        if name in ("status", "read", "check_target", "write", "remove"):
            self.calls[name] += 1
        return super().__getattribute__(name)


@pytest.fixture
def place() -> str:
    pytest.importorskip("fsspec")
    return f"memory://{secrets.token_hex(6)}"


def calls_of_driver(place: str, monkeypatch: pytest.MonkeyPatch, dies_after: int | None = None) -> tuple[dict[str, int], int]:
    """Runs the driver over a place. Returns how often it asked for the results, and how many photos it gave to workers."""
    photos, results = CountingStorage(f"{place}/in"), CountingStorage(f"{place}/out")
    executor = StubExecutor(UrlStorage(f"{place}/out"), dies_after)
    monkeypatch.setattr(driver, "make_executor", lambda *_: executor)
    request = ClusterRequest(settings=settings_of(photos.url, results.url))
    hold = cast(Any, SimpleNamespace(token="", check=lambda: None))
    with suppress(Killed):
        ClusterRun(request, photos, results, hold, Screen(quiet=True)).run()
    assert photos.calls == {"files": 1}
    return {name: count for name, count in results.calls.items() if count}, executor.done


@pytest.mark.parametrize("photos", [250, 500])
def test_requests_are_a_listing_and_a_read_for_each_unit(photos: int, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    units = -(-photos // 100)
    make_photos(UrlStorage(f"{place}/in"), photos)
    assert calls_of_driver(place, monkeypatch) == ({"files": 1}, photos)
    assert calls_of_driver(place, monkeypatch) == ({"files": 1, "read": units}, 0)
    change(place, photos)
    assert calls_of_driver(place, monkeypatch) == ({"files": 1, "read": units}, units)
    touch(place, photos)
    assert calls_of_driver(place, monkeypatch) == ({"files": 1, "read": units + 1, "removed": units + 1}, photos)


def test_a_killed_run_costs_a_read_for_each_unit_that_was_done_or_begun(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_photos(UrlStorage(f"{place}/in"), 400)
    assert calls_of_driver(place, monkeypatch, dies_after=250) == ({"files": 1}, 250)
    assert calls_of_driver(place, monkeypatch) == ({"files": 1, "read": 3, "removed": 1}, 200)


# Quick reading

CHANGES: list[Callable[[bytes], bytes]] = [
    lambda line: line.replace(b"73.875", b"1e999"),
    lambda line: line.replace(b"73.875", b"NaN"),
    lambda line: line.replace(b"73.875", b"74"),
    lambda line: line.replace(b"73.875", b"true"),
    lambda line: line.replace(b"6016", b"6016.0"),
    lambda line: line.replace(b"6016", b"9" * 5000),
    lambda line: line.replace(b"1.25", b"Infinity"),
    lambda line: line.replace(b"a/b.jpg", b"a/\\udcff.jpg"),
    lambda line: line.replace(b"a/b.jpg", b"a/\\ud83d\\ude00.jpg"),
    lambda line: line.replace(b"a/b.jpg", b"a/\\ud83d.jpg"),
    lambda line: line.replace(b"a/b.jpg", b"a/\xed\xa0\x80.jpg"),
    lambda line: line.replace(b"a/b.jpg", b"a/\xff.jpg"),
    lambda line: line.replace(b"a/b.jpg", b"a/\x01.jpg"),
    lambda line: line.replace(b"a/b.jpg", b"a/../b.jpg"),
    lambda line: b"\xef\xbb\xbf" + line,
    lambda line: line.decode().encode("utf-16"),
    lambda line: line[:-2] + b', "width": 7}',
    lambda line: line[:-2] + b', "input": "b", "output": "b"}',
    lambda line: line[:-2] + b', "more": ' + b"[" * 300 + b"]" * 300 + b"}",
    lambda line: line[:-2] + b', "more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    lambda line: line + b" \t\r\n",
    lambda line: line + b"{}",
    lambda line: line[:-3],
    lambda line: b"[]",
    lambda line: b"",
]


def test_a_line_is_read_as_its_value_is_checked() -> None:
    line = to_lines([RECORD])
    assert parse_record_line(line) == RECORD
    accepted = 0
    for change_line in CHANGES:
        changed = change_line(line)
        careful = parse_record(parse_line(changed))
        assert repr(parse_record_line(changed)) == repr(careful), changed
        accepted += careful is not None
    assert 0 < accepted < len(CHANGES)


@given(
    values=st.dictionaries(
        st.sampled_from([*RECORD, "error", "more"]),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(st.characters()),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
            max_leaves=4,
        ),
        max_size=3,
    )
)
def test_any_values_are_read_as_they_are_checked(values: dict[str, Any]) -> None:
    line = json.dumps(RECORD | values).encode()
    assert repr(parse_record_line(line)) == repr(parse_record(parse_line(line)))


@given(name=st.text(st.sampled_from("a9_ .-()/\\:\0é\udcff\ud800\n")))
@example("a/.b")
@example("con/nul")
def test_names_are_as_paths_have_them(name: str) -> None:
    try:
        path = PurePath(name)
        name.encode(errors="surrogateescape")
    except ValueError:
        assert not is_name(name)
        return
    plain = path.as_posix() == name and not path.anchor and path.name != "" and ".." not in path.parts and "\0" not in name
    assert is_name(name) == plain


# Whole records


def test_whole_records_come_from_where_they_stand(tmp_path: Path) -> None:
    names = ["a.jpg", "ü.jpg", "\udcff.jpg", "gone.jpg"]
    records = [cast(Any, RECORD | {"input": name, "output": name, "width": width}) for width in (1, 2) for name in names[:3]]
    write_small(LocalStorage(tmp_path), "manifest.jsonl", b"nonsense\n[]\n" + to_lines(records) + b'{"input": "a.jpg"')
    write_small(LocalStorage(tmp_path), "manifest-0001-00001.jsonl", to_lines([records[0]]))
    reader = RecordReader(LocalStorage(tmp_path))
    found = reader.read([("manifest.jsonl", name) for name in names[1:]] + [("manifest-0001-00001.jsonl", "a.jpg")])
    assert {name: record["width"] for name, record in found.items()} == {"a.jpg": 1, "ü.jpg": 2, "\udcff.jpg": 2}


def test_manifests_are_read_once_for_all_photos_of_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More manifests than are kept, each with a photo of every hundred."""
    storage = UrlStorage(f"memory://{secrets.token_hex(6)}")
    names = [*photo_names(400)]
    manifests = [f"manifest-{run:04}-00001.jsonl" for run in range(1, 101)]
    for number, manifest in enumerate(manifests):
        records = [cast(Any, RECORD | {"input": name, "output": name}) for name in names[number::100]]
        write_small(storage, manifest, to_lines(records))
    read: list[str] = []
    monkeypatch.setattr(UrlStorage, "read", lambda self, name, plain=UrlStorage.read: (read.append(name), plain(self, name))[1])
    found = RecordReader(storage).read((manifests[number % 100], name) for number, name in enumerate(names))
    assert {*found} == {*names}
    assert sorted(read) == manifests
