"""Leases: one run at a time in a folder on any storage; what a killed run leaves is taken over, and a loss is noticed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import ROOT
from stores import new_place

from laa_cli.errors import FileError, LaaError, SetupError
from laa_cli.utils import leases
from laa_cli.utils.leases import Hold, Holder, Lease, exclusive, parse, read_holder
from laa_cli.utils.locks import LOCK, locked
from laa_cli.utils.storage import LocalStorage, Storage
from laa_cli.utils.url_storage import open_storage

pytest.importorskip("fsspec")
QUICK = 0.05  # seconds between renewals by the lease's own thread
ME = f"process {os.getpid()} on {socket.gethostname()}"


class Clock:
    """A clock for `leases` on which nobody is ever late but by sleeping, and no test waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(leases, "time", clock)
    return clock


@pytest.fixture(params=["local", "memory", "s3", "shared"])
def storage(request: pytest.FixtureRequest) -> Storage:
    return open_storage(new_place(request.param, request))


@pytest.fixture
def memory(request: pytest.FixtureRequest) -> Storage:
    return open_storage(new_place("memory", request))


def hold(storage: Storage, said: list[str] | None = None, renewal_seconds: float = leases.RENEWAL_SECONDS) -> Any:
    return exclusive(storage, "busy", (said if said is not None else []).append, renewal_seconds)


def leave_over(storage: Storage) -> Holder:
    """A lease whose holder was killed."""
    holder = Holder("theirs", "far.example", 77, 3)
    storage.write(LOCK, json.dumps(holder._asdict()).encode(), overwrite=True)
    return holder


def wait_until(condition: Callable[[], bool]) -> None:
    """Waits for what another thread does, for long enough on any machine."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


class Renewing:
    """A storage that another run's lease is renewed in before each look, as it is while somebody watches it."""

    def __init__(self, storage: Storage, held: Hold) -> None:
        self.storage = storage
        self.held = held

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)

    def read(self, name: str) -> bytes:
        if isinstance(self.held, Lease):
            self.held.renew()
        return self.storage.read(name)


def test_a_folder_is_held_once_and_free_again_afterwards(storage: Storage) -> None:
    for _ in range(2):
        with hold(storage) as held:
            found = read_holder(storage)
            assert found is not None
            assert found.token == held.token
            assert str(found) == ME
            other: Any = Renewing(storage, held)
            with pytest.raises(LaaError, match="busy") as error, hold(other):
                pass
            if storage.local_path("") is None:
                assert str(error.value) == f"busy (held by {ME})"
            held.check()
        assert read_holder(storage) is None
    left = [storage.read(name) for name, _ in storage.files()]
    assert left == ([b""] if isinstance(storage, LocalStorage) else [])


def test_another_token_each_time(memory: Storage) -> None:
    tokens = []
    for _ in range(2):
        with hold(memory) as held:
            tokens.append(held.token)
    assert len(set(tokens)) == 2


def test_the_local_batch_and_a_driver_exclude_each_other(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    with locked(tmp_path, "mine"):
        assert read_holder(storage) is None
        with pytest.raises(LaaError, match=r"^busy$"), hold(storage):
            pass
    with hold(storage), pytest.raises(LaaError, match="held"), locked(tmp_path, "held"):
        pass


def test_what_a_killed_local_run_wrote_is_no_matter(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    (tmp_path / LOCK).write_text(json.dumps(Holder("theirs", "a host with a longer name", 1, 0)._asdict()) + " " * 99)
    with hold(storage) as held:
        found = read_holder(storage)
        assert found is not None
        assert found.token == held.token


def test_a_lease_is_renewed(memory: Storage) -> None:
    with hold(memory, renewal_seconds=QUICK) as held:
        wait_until(lambda: getattr(read_holder(memory), "renewal", 0) >= 3)
        held.check()
    assert list(memory.files()) == []


@pytest.mark.parametrize("kind", ["memory", "s3"])
def test_a_lease_that_stays_is_taken_over(kind: str, request: pytest.FixtureRequest) -> None:
    storage = open_storage(new_place(kind, request))
    leave_over(storage)
    said: list[str] = []
    with hold(storage, said) as held:
        assert read_holder(storage) == Holder(held.token, socket.gethostname(), os.getpid(), 0)
    waiting, taken = said
    assert waiting.startswith(f"{storage.place} may be held by process 77 on far.example: looking for 30 s")
    assert taken == f"process 77 on far.example is gone: taking {storage.place} over"
    assert list(storage.files()) == []


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"token": "x"}', b"[" * 100_000])
def test_a_lock_file_that_nobody_wrote_is_taken_at_once(content: bytes, memory: Storage) -> None:
    """As of a folder of `laa batch` that was copied to a store."""
    memory.write(LOCK, content, overwrite=True)
    said: list[str] = []
    assert parse(content) is None
    with hold(memory, said):
        assert read_holder(memory) is not None
    assert said == []


def test_a_lease_that_ends_while_it_is_watched_is_free(memory: Storage) -> None:
    leave_over(memory)
    with exclusive(memory, "busy", lambda _: memory.remove(LOCK)) as held:
        assert getattr(read_holder(memory), "token", None) == held.token


class Meeting:
    """A storage without conditions in which two writers have both looked before the first writes, and read after the last."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.barrier = threading.Barrier(2)
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)

    def write(self, name: str, content: bytes, **_: Any) -> None:
        self.writes += 1
        meets = self.writes <= 2
        if meets:
            self.barrier.wait(60)
        self.storage.write(name, content, overwrite=True)
        if meets:
            self.barrier.wait(60)


@pytest.mark.parametrize("left_over", [True, False])
def test_of_two_that_take_a_folder_at_once_one_has_it(left_over: bool, memory: Storage) -> None:
    if left_over:
        leave_over(memory)
    meeting: Any = Meeting(memory)
    held: list[Hold] = []
    refused: list[LaaError] = []
    done = threading.Event()

    def take() -> None:
        try:
            with exclusive(meeting, "busy", lambda _: None) as hold:
                held.append(hold)
                done.wait(60)
        except LaaError as error:
            refused.append(error)

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(held) + len(refused) == 2)
    assert (len(held), len(refused)) == (1, 1)
    assert str(refused[0]) == f"busy (held by {ME})"
    assert getattr(read_holder(memory), "token", None) == held[0].token
    done.set()
    for thread in threads:
        thread.join()
    assert list(memory.files()) == []


def test_a_lease_that_appears_meanwhile_is_kept(memory: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lease, "wait_for_left_over", lambda self: bool(leave_over(memory)) and False)
    with pytest.raises(LaaError, match=r"^busy \(held by process 77 on far.example\)$"), hold(memory):
        pass
    assert getattr(read_holder(memory), "token", None) == "theirs"


def is_lost(held: Any) -> bool:
    return bool(held.lost.is_set())


def test_a_lease_that_another_run_took_is_lost_and_left_alone(memory: Storage) -> None:
    with hold(memory, renewal_seconds=QUICK) as held:
        theirs = leave_over(memory)
        wait_until(lambda: is_lost(held))
        with pytest.raises(SetupError, match=r"\.laa\.lock is not this run's any more: another run has it"):
            held.check()
    assert read_holder(memory) == theirs


def test_a_lease_that_was_removed_is_lost(memory: Storage) -> None:
    with hold(memory, renewal_seconds=QUICK) as held:
        memory.remove(LOCK)
        wait_until(lambda: is_lost(held))
        with pytest.raises(SetupError):
            held.check()
    assert list(memory.files()) == []


def test_a_lease_that_cannot_be_renewed_is_lost(memory: Storage, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = Lease(memory, "busy", lambda _: None)
    lease.acquire()
    assert clock.now == 102

    def unreachable(*_: Any, **__: Any) -> None:
        raise FileError("cannot write", OSError("unreachable"))

    monkeypatch.setattr(type(memory), "write", unreachable)
    clock.now = 130
    with pytest.raises(FileError):
        lease.renew()
    lease.check()
    clock.now = 131
    with pytest.raises(SetupError, match="or it could not be renewed for 30 s: check for another run and the network"):
        lease.check()
    lease.release()
    assert list(memory.files()) == []


def test_a_lease_is_not_renewed_when_it_is_too_late(memory: Storage, clock: Clock) -> None:
    """A holder that slept does not write over one that is about to take its lease."""
    lease = Lease(memory, "busy", lambda _: None)
    lease.acquire()
    clock.now += 100
    lease.renew()
    assert lease.lost.is_set()
    assert getattr(read_holder(memory), "renewal", None) == 0


def test_a_store_that_cannot_be_read_or_written_is_said(s3: str, memory: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    message = r"cannot write s3://no-such-bucket/\.laa\.lock: The specified bucket does not exist"
    with pytest.raises(FileError, match=message), hold(open_storage("s3://no-such-bucket")):
        pass

    def forbidden(*_: Any) -> None:
        raise PermissionError(13, "Access Denied")

    monkeypatch.setattr(type(memory), "read", forbidden)
    message = r"cannot read memory://.*/\.laa\.lock: Access Denied: change its permissions"
    with pytest.raises(FileError, match=message), hold(memory):
        pass


def test_a_killed_driver_leaves_a_lease_that_is_taken(s3: str, request: pytest.FixtureRequest) -> None:
    place = new_place("s3", request)
    code = (
        "import os, sys\nfrom laa_cli.utils.leases import exclusive\nfrom laa_cli.utils.url_storage import open_storage\n"
        "with exclusive(open_storage(sys.argv[1]), 'busy', print, 0.1):\n    os._exit(9)"
    )
    result = subprocess.run([sys.executable, "-c", code, place], cwd=ROOT, timeout=60, check=False)
    assert result.returncode == 9
    storage = open_storage(place)
    assert read_holder(storage) is not None
    said: list[str] = []
    with hold(storage, said):
        pass
    assert len(said) == 2
    assert list(storage.files()) == []
