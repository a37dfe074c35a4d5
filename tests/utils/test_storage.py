"""Storages: one contract on this machine, in memory, on an S3 server, by a driver that renames; what goes wrong elsewhere."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from fakes import ROOT
from fsspec.asyn import sync
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import forget_connections, new_place, s3_client

from laa_cli.errors import FileError, LaaError, UsageError
from laa_cli.utils import url_storage
from laa_cli.utils.filesystems import as_os_error, connect, modified_ns
from laa_cli.utils.storage import FileStatus, LocalStorage, Storage
from laa_cli.utils.url_storage import UrlStorage, is_url, open_storage

KINDS = ["local", "memory", "s3", "shared"]
STRANGE = ["ü b.jpg", "a#1?x=%20&y+z;,.jpg", "[x]*{y}.jpg", "*", "tief/er/x y.png", ".hidden", "s3:x", "a~b'c\"d$e.jpg", "日本"]


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest) -> str:
    if request.param != "local":
        pytest.importorskip("fsspec")
    return new_place(request.param, request)


@pytest.fixture
def storage(place: str) -> Storage:
    return open_storage(place)


def fill(storage: Storage, *names: str) -> None:
    for name in names:
        storage.write(name, name.encode(), overwrite=False)


# The contract


def test_files_are_found_as_they_were_written(storage: Storage) -> None:
    assert list(storage.files()) == []
    fill(storage, *STRANGE)
    found = dict(storage.files())
    assert sorted(found) == sorted(STRANGE)
    for name, status in found.items():
        assert status.size == len(name.encode())
        assert status == storage.status(name)
        assert storage.read(name) == name.encode()
        assert storage.read(name, 2) == name.encode()[:2]
    assert dict(storage.read_many(reversed(STRANGE))) == {name: name.encode() for name in STRANGE}
    assert [name for name, _ in storage.read_many(STRANGE)] == STRANGE
    assert [name for name, _ in storage.files("tief")] == ["tief/er/x y.png"]


def test_a_pattern_of_fsspec_is_a_name(storage: Storage) -> None:
    fill(storage, "a1", "a2", "a*", "a[12]", "a?")
    assert storage.read("a*") == b"a*"
    assert dict(storage.read_many(["a[12]", "a?"])) == {"a[12]": b"a[12]", "a?": b"a?"}
    storage.remove("a*")
    storage.remove_many(["a[12]", "a?", "gone"])
    assert sorted(name for name, _ in storage.files()) == ["a1", "a2"]
    assert storage.status("a?") is None


def test_a_folder_that_begins_alike_is_another_one(place: str, storage: Storage) -> None:
    fill(storage, "x")
    fill(open_storage(f"{place}2"), "y")
    assert [name for name, _ in open_storage(f"{place}/").files()] == ["x"]
    fill(storage, "in/x", "in2/y")
    assert [name for name, _ in storage.files("in")] == ["in/x"]


def test_what_is_no_file_has_no_status(storage: Storage) -> None:
    fill(storage, "folder/x")
    assert storage.status("folder") is None
    assert storage.status("gone") is None
    with pytest.raises(FileNotFoundError) as error:
        storage.read("gone")
    assert (error.value.errno, error.value.filename) == (errno.ENOENT, storage.locate("gone"))
    with pytest.raises(FileNotFoundError):
        list(storage.read_many(["folder/x", "gone"]))
    storage.remove("gone")


def test_an_empty_file_is_read(storage: Storage) -> None:
    storage.write("empty", b"", overwrite=False)
    assert storage.read("empty") == b""
    assert storage.read("empty", 5) == b""
    assert list(storage.read_many(["empty"])) == [("empty", b"")]


def test_what_exists_is_kept_without_overwrite(storage: Storage) -> None:
    statuses: list[FileStatus] = []
    storage.write("a", b"1", overwrite=False, ready=statuses.append)
    for refused in (
        lambda: storage.write("a", b"22", overwrite=False, ready=statuses.append),
        lambda: storage.check_target("a", overwrite=False),
    ):
        with pytest.raises(LaaError, match="exists already: choose another place, or allow it with --overwrite") as error:
            refused()
        assert str(error.value).startswith(storage.locate("a"))
    assert storage.read("a") == b"1"
    storage.check_target("a", overwrite=True)
    storage.write("a", b"333", overwrite=True, ready=statuses.append)
    assert storage.read("a") == b"333"
    assert [status.size for status in statuses] == [1, 3]
    assert statuses[1] == storage.status("a")
    assert [name for name, _ in storage.files()] == ["a"]


def test_a_listing_sees_what_others_have_written(place: str, storage: Storage) -> None:
    """In this process by another name, as another process would: fsspec keeps listings."""
    fill(storage, "in/a")
    assert [name for name, _ in storage.files()] == ["in/a"]
    assert storage.status("in/b") is None
    if place.startswith("s3://"):
        bucket, _, folder = place.removeprefix("s3://").partition("/")
        s3_client().put_object(Bucket=bucket, Key=f"{folder}/in/b", Body=b"b")
    else:
        fill(open_storage(place), "in/b")
    assert storage.status("in/b") is not None
    assert sorted(name for name, _ in storage.files()) == ["in/a", "in/b"]


def test_a_storage_travels_and_any_thread_may_call(storage: Storage) -> None:
    names = [f"{i}/x" for i in range(20)]
    copy = pickle.loads(pickle.dumps(storage))
    assert copy.place == storage.place
    threads = [threading.Thread(target=fill, args=(copy, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dict(storage.read_many(names)) == {name: name.encode() for name in names}


@given(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=40))
@settings(max_examples=30, deadline=None)
def test_any_name_of_one_part_is_kept(name: str) -> None:
    storage = open_storage("memory://names/of files")
    if name in {".", ".."}:
        with pytest.raises(LaaError, match="no file can have such a name here"):
            storage.write(name, b"", overwrite=True)
        return
    storage.write(name, b"1", overwrite=True)
    assert storage.read(name) == b"1"
    assert [found for found, _ in storage.files()] == [name]
    storage.remove(name)


def test_any_name_is_kept_on_s3(s3: str, request: pytest.FixtureRequest) -> None:
    storage = open_storage(new_place("s3", request))

    @given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"), exclude_characters="/"), min_size=1))
    @settings(max_examples=25, deadline=None)
    def check(text: str) -> None:
        name = f"x/{text[:30]}.jpg"
        storage.write(name, b"1", overwrite=True)
        assert storage.read(name) == b"1"
        assert [found for found, _ in storage.files("x")] == [name]
        storage.remove(name)

    check()


# Places


def test_a_path_and_a_file_url_are_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in ("a b", f"file://{tmp_path}/a b", f"{tmp_path}/a b/"):
        storage = open_storage(place)
        assert isinstance(storage, LocalStorage)
        assert storage.place == f"{tmp_path}/a b"
        assert storage.local_path("x") == tmp_path / "a b" / "x"
    assert [is_url(place) for place in ("s3://x", "file:///x", "abfs://c@a/x", "C:\\x", "s3:/x", "a/b://c", "")] == [
        *[True] * 3,
        *[False] * 4,
    ]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://host/photos", "http://host/photos cannot be listed: copy it to a folder or an object store"),
        ("zip://x::s3://b/x.zip", "laa takes no chained URLs: unpack or copy it first"),
        ("nope://x", "fsspec knows no nope://: check the URL, or install what brings it"),
        ("s3://", "s3:// names no folder: add a bucket or a path"),
        ("laadriver://x", "laadriver://x needs a package that cannot be imported (Install laadriver; No module named"),
        ("laadriver://x", ": pip install laadriver"),
    ],
)
def test_a_place_that_cannot_serve_is_refused(url: str, said: str) -> None:
    registry = pytest.importorskip("fsspec.registry")
    pytest.importorskip("s3fs")
    registry.known_implementations["laadriver"] = {"class": "laadriver.Driver", "err": "Install laadriver"}
    try:
        with pytest.raises(UsageError) as error:
            open_storage(url)
    finally:
        del registry.known_implementations["laadriver"]
    assert said in str(error.value)


def test_without_fsspec_a_url_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(UsageError, match=r"fsspec is not installed: pip install 'laa\[cluster\]'"):
        open_storage("s3://bucket/x")
    assert open_storage(f"file://{tmp_path}").place == str(tmp_path)


def test_fsspec_is_imported_for_urls_only() -> None:
    code = (
        "import sys\nfrom laa_cli.utils.url_storage import open_storage\nopen_storage('/tmp').status('x')\n"
        "print([name for name in ('fsspec', 's3fs', 'ray') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout == "[]\n"


def test_a_driver_that_cannot_connect_is_an_error_of_ours(shared_protocol: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    monkeypatch.setattr("fsspec.core.url_to_fs", refuse)
    with pytest.raises(FileError, match="cannot open shared://h/x: Connection refused: check the URL, your credentials"):
        open_storage("shared://h/x")


def test_a_password_is_not_said() -> None:
    storage = UrlStorage("ftp://me:secret@host/a@b:c@d/")
    assert storage.place == "ftp://me:***@host/a@b:c@d"
    assert storage.url == "ftp://me:secret@host/a@b:c@d"
    assert UrlStorage("abfs://container@account.host/x").place == "abfs://container@account.host/x"


# S3


def test_names_that_lead_nowhere_are_no_files(s3: str, request: pytest.FixtureRequest) -> None:
    """An object store takes any name: what would leave the folder on another storage is told, not listed."""
    place = new_place("s3", request)
    bucket, _, folder = place.removeprefix("s3://").partition("/")
    odd = ["a//b.jpg", "../up.jpg", "x/./y.jpg", "v.jpg?versionId=1"]
    for name in ["fine.jpg", "folder/", "", *odd]:
        s3_client().put_object(Bucket=bucket, Key=f"{folder}/{name}", Body=b"1")
    storage, unreadable = open_storage(place), dict[str, str]()
    assert [name for name, _ in storage.files("", unreadable)] == ["fine.jpg"]
    assert unreadable == dict.fromkeys((f"{place}/{name}" for name in odd), "no file can have such a name here")
    for name in [*odd, "a\udcffb", ""]:
        with pytest.raises(OSError, match="no file can have such a name here"):
            storage.read(name)
        with pytest.raises(FileError, match="no file can have such a name here: check the URL"):
            storage.write(name, b"", overwrite=True)
    assert list(storage.files("folder")) == []


def test_a_listing_comes_in_pages(s3: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    place = new_place("s3", request)
    storage = open_storage(place)
    fill(storage, *(f"{i:02}" for i in range(7)))
    fs, _ = connect(place, place)
    asked: list[dict[str, Any]] = []

    def in_small_pages(method: str, **request: Any) -> Any:
        asked.append(request)
        return type(fs).call_s3(fs, method, MaxKeys=3, **request)

    monkeypatch.setattr(fs, "call_s3", in_small_pages, raising=False)
    files = storage.files()
    assert next(files)[0] == "00"
    assert len(asked) == 1
    assert [name for name, _ in files] == [f"{i:02}" for i in range(1, 7)]
    assert len(asked) == 3


def test_a_file_that_appears_meanwhile_is_kept(s3: str, request: pytest.FixtureRequest) -> None:
    storage = open_storage(new_place("s3", request))
    assert isinstance(storage, UrlStorage)
    storage.check_target("a", overwrite=False)
    storage.put("a", b"theirs", overwrite=False)
    with pytest.raises(FileExistsError):
        storage.put("a", b"mine", overwrite=False)
    storage.put("a", b"theirs", overwrite=False)  # as where the answer to the first try was lost
    assert storage.read("a") == b"theirs"


@pytest.mark.parametrize("error", [NotImplementedError(), TypeError("mode"), OSError(errno.ENOSYS, "Not implemented")])
def test_a_store_without_conditions_is_written_all_the_same(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem
    write = memory.pipe_file

    def unconditional(self: Any, path: str, value: bytes, mode: str = "overwrite") -> None:
        if mode == "create":
            raise error
        write(self, path, value)

    monkeypatch.setattr(memory, "pipe_file", unconditional)
    storage = open_storage("memory://unconditional")
    storage.write("a", b"1", overwrite=False)
    assert storage.read("a") == b"1"
    storage.remove("a")


def test_a_file_that_is_not_there_costs_one_request(
    s3: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(new_place("s3", request))
    fs = storage.connect()[0]  # type: ignore[attr-defined]
    requests: list[str] = []

    async def counted(method: str, *arguments: Any, **options: Any) -> Any:
        requests.append(method)
        return await type(fs)._call_s3(fs, method, *arguments, **options)

    monkeypatch.setattr(fs, "_call_s3", counted, raising=False)
    monkeypatch.setattr(
        fs, "call_s3", lambda *arguments, **options: sync(fs.loop, counted, *arguments, **options), raising=False
    )
    assert storage.status("a.jpg") is None
    assert requests == ["head_object"]


def test_a_browser_shows_what_it_gets(s3: str, request: pytest.FixtureRequest) -> None:
    place = new_place("s3", request)
    bucket, _, folder = place.removeprefix("s3://").partition("/")
    for name, kind in (("index.html", "text/html"), ("a.jpg", "image/jpeg"), ("b", "binary/octet-stream")):
        open_storage(place).write(name, b"content", overwrite=name == "a.jpg")
        assert s3_client().head_object(Bucket=bucket, Key=f"{folder}/{name}")["ContentType"] == kind


def test_a_bucket_that_is_not_there_is_said(s3: str) -> None:
    storage = open_storage("s3://no-such-bucket/in")
    with pytest.raises(FileNotFoundError, match="The specified bucket does not exist"):
        list(storage.files())
    message = r"cannot write s3://no-such-bucket/in/a: The specified bucket does not exist: check the URL, your credentials"
    with pytest.raises(FileError, match=message):
        storage.write("a", b"", overwrite=True)


def test_wrong_credentials_are_said(s3: str, request: pytest.FixtureRequest) -> None:
    import urllib.request as web

    place = new_place("s3", request)
    storage = open_storage(place)
    fill(storage, "a")

    def let_pass(actions: str) -> None:
        headers = {"Content-Type": "text/plain"}
        web.urlopen(web.Request(f"{s3}/moto-api/reset-auth", actions.encode(), headers, method="POST")).close()

    let_pass("0")
    try:
        for refused in (lambda: storage.read("a"), lambda: list(storage.files()), lambda: storage.status("a")):
            with pytest.raises(PermissionError) as error:
                refused()
            assert error.value.errno == errno.EACCES
            assert error.value.strerror
        with pytest.raises(FileError, match=r"cannot write .*: change its permissions") as failed:
            storage.write("b", b"", overwrite=True)
        assert failed.value.errno == errno.EACCES
    finally:
        let_pass("1000000000")


def test_missing_credentials_are_said(s3: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    place = new_place("s3", request)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    forget_connections()
    with pytest.raises(OSError, match="Unable to locate credentials"):
        list(open_storage(place).files())


def test_a_server_that_is_gone_is_said(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # by default five, in 5 to 13 s
    forget_connections()
    storage = open_storage("s3://bucket/in")
    for refused in (lambda: storage.read("a"), lambda: list(storage.files()), lambda: list(storage.read_many("ab"))):
        with pytest.raises(OSError, match=r'Could not connect to the endpoint URL: "http://127\.0\.0\.1:9/bucket'):
            refused()
    with pytest.raises(FileError, match="cannot write s3://bucket/in/a: Could not connect to the endpoint URL"):
        storage.write("a", b"", overwrite=False)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_another_process_connects_anew(method: str, s3: str, request: pytest.FixtureRequest) -> None:
    storage = open_storage(new_place("s3", request))
    fill(storage, "parent")
    script = (
        "import os, pickle, sys\nstorage = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "storage.read('parent')\n"
        "child = os.fork() if sys.argv[2] == 'fork' else 0\n"
        "if child: sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "storage.write('child', storage.read('parent'), overwrite=False)\n"
        "os._exit(0)"
    )
    command = [sys.executable, "-c", script, pickle.dumps(storage).hex(), method]
    subprocess.run(command, check=True, cwd=ROOT, timeout=60)
    assert storage.read("child") == b"parent"


# Drivers that write in place


@pytest.fixture
def shared(request: pytest.FixtureRequest) -> Storage:
    return open_storage(new_place("shared", request))


def test_a_broken_write_leaves_nothing(shared: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(shared, "a")

    def broken(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("fsspec.implementations.local.LocalFileSystem.mv", broken)
    for name in ("a", "b"):
        with pytest.raises(FileError, match=r"cannot write shared://.*: No space left on device: make room"):
            shared.write(name, b"half", overwrite=True)
    assert [path.name for path in (tmp_path / "deep" / "out").iterdir()] == ["a"]
    assert shared.read("a") == b"a"


def test_a_driver_that_renames_over_nothing_replaces(shared: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    def careful(_: Any, source: str, target: str) -> None:
        os.link(source, target)  # fails where there is one
        os.unlink(source)

    monkeypatch.setattr("fsspec.implementations.local.LocalFileSystem.mv", careful)
    fill(shared, "a")
    shared.write("a", b"new", overwrite=True)
    assert [(name, shared.read(name)) for name, _ in shared.files()] == [("a", b"new")]


def test_a_folder_that_cannot_be_listed_is_told(shared: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(shared, "a", "closed/b", "open/c")
    fs, _ = connect("shared://", "shared://")
    ls = type(fs).ls

    def guarded(self: Any, path: str, **options: Any) -> Any:
        if path.endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return ls(self, path, **options)

    monkeypatch.setattr(type(fs), "ls", guarded)
    unreadable: dict[str, str] = {}
    assert sorted(name for name, _ in shared.files("", unreadable)) == ["a", "open/c"]
    assert unreadable == {shared.locate("closed"): "Permission denied"}
    with pytest.raises(PermissionError):
        list(shared.files("closed"))


def test_a_local_folder_that_cannot_be_listed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = LocalStorage(tmp_path)
    fill(storage, "a", "closed/b")
    scandir = os.scandir

    def guarded(path: Any) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    unreadable: dict[str, str] = {}
    assert [name for name, _ in storage.files("", unreadable)] == ["a"]
    assert unreadable == {storage.locate("closed"): "Permission denied"}


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    storage = LocalStorage(tmp_path)
    assert storage.status("pipe") is None
    assert list(storage.files()) == []


# What drivers say


MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
MOMENT_NS = 1767323045678901000


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({"LastModified": MOMENT}, MOMENT_NS // 10**9 * 10**9),
        ({"last_modified": MOMENT}, MOMENT_NS),
        ({"last_modified": MOMENT.astimezone(timezone(timedelta(hours=5)))}, MOMENT_NS),
        ({"mtime": MOMENT.replace(tzinfo=None)}, MOMENT_NS),
        ({"mtime": MOMENT.timestamp(), "created": 0}, MOMENT_NS),
        ({"mtime": None, "updated": "2026-01-02T03:04:05.678901Z"}, MOMENT_NS),
        ({"created": MOMENT}, MOMENT_NS),
        ({"mtime": "yesterday"}, None),
        ({"LastModified": ""}, None),
        ({}, None),
    ],
)
def test_the_time_of_the_last_change(info: dict[str, Any], expected: int | None) -> None:
    assert modified_ns(info) == expected


@pytest.mark.parametrize(
    ("error", "number", "said"),
    [
        (RuntimeError("two\n lines."), errno.EIO, "two lines"),
        (KeyError(), errno.EIO, "KeyError"),
        (FileNotFoundError("/some/path"), errno.ENOENT, "No such file or directory"),
        (PermissionError("Access Denied"), errno.EACCES, "Access Denied"),
        (OSError(errno.EBUSY, "Slow down."), errno.EBUSY, "Slow down"),
        (NotImplementedError("read-only"), errno.ENOTSUP, "read-only"),
    ],
)
def test_every_error_becomes_one_of_the_system(error: Exception, number: int, said: str) -> None:
    result = as_os_error(error, "s3://b/x")
    assert (result.errno, result.strerror, result.filename) == (number, said, "s3://b/x")


def test_memory_that_runs_out_is_no_error_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec")

    def run_out(*_: Any) -> None:
        raise MemoryError

    storage = open_storage("memory://x")
    monkeypatch.setattr(url_storage, "connect", run_out)
    with pytest.raises(MemoryError):
        storage.read("x")
