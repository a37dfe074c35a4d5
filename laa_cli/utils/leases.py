"""Leases: one run at a time in a folder, wherever it lies.

On this machine it is the lock of `locks`, which ends with its process. Elsewhere nothing ends with a process, so the holder
writes the lock file anew every so often (its *lease*), and whoever finds one watches it for three renewals: one that changes
is held, and one that stays is left over and taken. No clocks are compared. Who writes a lease waits a moment and reads it
back: the token that is there then has it.

What remains on a store without locks: of two runs that take the same left-over lease, or that begin at once where the store
knows no conditional writes, both hold it where the slower one needs longer than that moment between looking and writing. A
holder that slept through three renewals, as a machine that was suspended, goes on until it is asked (`check`), and writes
what is under way. The one that has lost finds out at its next renewal. Results are the same whoever writes them, so the price
is work done twice.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from ..errors import FileError, LaaError, SetupError, explain_os_error
from .locks import LOCK, locked, write_locked
from .storage import Storage

RENEWAL_SECONDS = 10.0
RENEWALS_MISSED = 3  # until a lease is taken for left over, or for lost
MOMENTS = 5  # in a renewal: looks at another's lease, and the wait before one's own is read back


class Holder(NamedTuple):
    """What a lock file says of the run that wrote it."""

    token: str
    host: str = ""
    pid: int = 0
    renewal: int = 0

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def read_holder(storage: Storage) -> Holder | None:
    """Reads who holds a folder, or did when it was killed; None where nobody does. OSError.

    Two that see the same token see the same folder.
    """
    try:
        return parse(storage.read(LOCK))
    except FileNotFoundError:
        return None


def parse(content: bytes) -> Holder | None:
    """Reads a lock file; None of one that no run has written into, as that of `laa batch` in a folder."""
    with suppress(ValueError, TypeError, KeyError, RecursionError):
        found = json.loads(content)
        return Holder(str(found["token"]), str(found["host"]), int(found["pid"]), int(found["renewal"]))
    return None


class Hold:
    """A folder that is this run's alone. `token`: what its lock file says as long as it is."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(16)
        self.renewal = 0

    def content(self) -> bytes:
        """Builds what the lock file holds."""
        holder = Holder(self.token, socket.gethostname(), os.getpid(), self.renewal)
        return json.dumps(holder._asdict()).encode()

    def check(self) -> None:
        """Raises SetupError where the folder is not this run's any more."""


@contextmanager
def exclusive(
    storage: Storage, message: str, notify: Callable[[str], None], renewal_seconds: float = RENEWAL_SECONDS
) -> Iterator[Hold]:
    """Holds a folder, and leaves nothing behind but the empty lock file of a local one. Call the hold's `check` now and then.

    LaaError, with `message`, where another run holds it. `notify` is told where one waits for a lease that may be left over.
    """
    path = storage.local_path(LOCK)
    if path is None:
        with Lease(storage, message, notify, renewal_seconds) as lease:
            yield lease
        return
    with locked(path.parent, message) as handle:
        hold = Hold()
        write_locked(handle, path.parent, hold.content())
        try:
            yield hold
        finally:
            with suppress(LaaError):
                write_locked(handle, path.parent, b"")


class Lease(Hold):
    """A lock file that is renewed, in a `with` block; `lost` is set where that failed or another run has written there."""

    def __init__(
        self, storage: Storage, message: str, notify: Callable[[str], None], renewal_seconds: float = RENEWAL_SECONDS
    ) -> None:
        super().__init__()
        self.storage = storage
        self.message = message
        self.notify = notify
        self.renewal_seconds = renewal_seconds
        self.moment = renewal_seconds / MOMENTS
        self.lost = threading.Event()
        self.ended = threading.Event()
        self.renewed = 0.0  # when, in seconds of time.monotonic
        self.thread = threading.Thread(target=self.renew_until_ended, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        try:
            self.acquire()
            self.thread.start()
        except BaseException:
            self.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the renewals, and removes the file if it is still this run's."""
        self.ended.set()
        self.thread.join(RENEWALS_MISSED * self.renewal_seconds)
        if not self.thread.is_alive():
            self.release()

    def release(self) -> None:
        """Removes the file if it is this run's; where that fails it stays, and is taken for left over by the next."""
        with suppress(OSError, LaaError):
            holder = read_holder(self.storage)
            if holder is not None and holder.token == self.token:
                self.storage.remove(LOCK)

    # Taking it

    def acquire(self) -> None:
        """Writes the file where there is none, or one that is left over. LaaError where another run holds it."""
        try:
            self.take(self.wait_for_left_over())
            time.sleep(self.moment)
            self.refuse_unless_mine(read_holder(self.storage))
        except OSError as error:
            advice = "check the URL, your credentials and the network"
            raise FileError(f"cannot read {self.storage.locate(LOCK)}: {explain_os_error(error, advice)}", error) from error

    def take(self, left_over: bool) -> None:
        """Writes the file; unless one is left over, on condition that there is none. LaaError."""
        self.renewed = time.monotonic()
        try:
            self.storage.write(LOCK, self.content(), overwrite=left_over)
        except FileError:
            raise
        except LaaError:  # somebody else was quicker
            self.refuse_unless_mine(read_holder(self.storage))

    def refuse_unless_mine(self, holder: Holder | None) -> None:
        """Raises LaaError where somebody else holds the folder."""
        if holder is None or holder.token != self.token:
            raise self.refusal(holder)

    def refusal(self, holder: Holder | None) -> LaaError:
        """Makes the error that names who holds the folder."""
        return LaaError(f"{self.message} (held by {holder or 'another run'})")

    def wait_for_left_over(self) -> bool:
        """Looks at the file, and where there is one watches it. Returns whether one is left over; LaaError where it is held."""
        content = self.look()
        if content is None or (found := parse(content)) is None:
            return content is not None
        seconds = RENEWALS_MISSED * self.renewal_seconds
        self.notify(f"{self.storage.place} may be held by {found}: looking for {seconds:.0f} s whether it is still there")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(self.moment)
            seen = self.look()
            if seen is None:
                return False
            if seen != content:
                raise self.refusal(parse(seen))
        self.notify(f"{found} is gone: taking {self.storage.place} over")
        return True

    def look(self) -> bytes | None:
        """Reads the file; None where there is none. OSError."""
        try:
            return self.storage.read(LOCK)
        except FileNotFoundError:
            return None

    # Keeping it

    def renew_until_ended(self) -> None:
        """Renews the lease until it is ended or lost; a renewal that fails is tried again at the next."""
        while not self.ended.wait(self.renewal_seconds) and not self.lost.is_set():
            with suppress(OSError, LaaError):
                self.renew()

    def renew(self) -> None:
        """Writes the file anew. Sets `lost` where it is another's or too old. OSError or LaaError where it could not."""
        began = time.monotonic()
        holder = read_holder(self.storage)
        if holder is None or holder.token != self.token or self.is_late():
            self.lost.set()
        elif not self.ended.is_set():
            self.renewal += 1
            self.storage.write(LOCK, self.content(), overwrite=True)
            self.renewed = began

    def is_late(self) -> bool:
        """Whether others may have taken the lease for left over."""
        return time.monotonic() - self.renewed > RENEWALS_MISSED * self.renewal_seconds

    def check(self) -> None:
        if self.is_late():
            self.lost.set()
        if self.lost.is_set():
            raise SetupError(
                f"{self.storage.locate(LOCK)} is not this run's any more: another run has it, or it could not be renewed for "
                f"{RENEWALS_MISSED * self.renewal_seconds:.0f} s: check for another run and the network, and run it again"
            )
