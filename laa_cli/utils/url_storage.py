"""URL storage: the contract Storage over an fsspec file system, and the way from a place on the command line to a storage."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import FileError, LaaError, UsageError, explain_os_error
from .atomic import WRITTEN, already_exists
from .filesystems import as_os_error, connect, file_info, list_files, modified_ns, put, read_options
from .storage import FileStatus, LocalStorage, Storage

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
FILE_URLS = ("file://", "local://")
PASSWORD = re.compile(r"^([^:/]+://[^:/@]*:)[^/@]+@")
AT_ONCE = 64  # files of a bulk read in memory; s3fs reads 10 of them at the same time
REMOVED_AT_ONCE = 10
ADVICE = "check the URL, your credentials and the network"
UNUSABLE = "no file can have such a name here"
UNMET = (errno.EINVAL, errno.EBUSY)  # what s3fs makes of an unmet condition, as S3's imitations put it
VERSIONED = "?versionid="  # drivers cut a name there, and take the rest for the version of another file


def is_url(place: str) -> bool:
    """Whether a place is a URL, not a path on this machine. `file://` is one, too."""
    return URL.match(place) is not None


def open_storage(place: str) -> Storage:
    """Opens a folder on this machine, by its path or `file://` and its path as it is, or elsewhere, by any URL of fsspec.

    UsageError where fsspec or a driver is missing, or the place cannot be listed; LaaError where it cannot be connected to.
    """
    for prefix in FILE_URLS:
        if place.lower().startswith(prefix):
            return LocalStorage(Path(os.path.abspath(place[len(prefix) :])))
    if not is_url(place):
        return LocalStorage(Path(os.path.abspath(place)))
    storage = UrlStorage(place)
    try:
        root = storage.connect()[1]
    except OSError as error:
        raise FileError(f"cannot open {storage.place}: {explain_os_error(error, ADVICE)}", error) from error
    if not root and storage.protocol != "memory":
        raise UsageError(f"{storage.place} names no folder: add a bucket or a path")
    return storage


class UrlStorage:
    """A folder behind a URL. Holds the URL only: each use connects where it is, so it may be pickled, forked and shared.

    Names are taken as they are: no fsspec pattern, no escapes. A password in the URL is not said.
    """

    def __init__(self, url: str) -> None:
        self.protocol, _, path = url.partition("://")
        self.url = f"{self.protocol}://{path.rstrip('/')}"
        self.place = PASSWORD.sub(r"\1***@", self.url)

    def connect(self) -> tuple[Any, str]:
        """Returns the file system and the folder's path there. UsageError or OSError."""
        return connect(self.url, self.place)

    def locate(self, name: str) -> str:
        return f"{self.place}/{name}"

    def local_path(self, name: str) -> Path | None:
        return None

    def resolve(self, name: str) -> tuple[Any, str]:
        """Returns the file system and a file's path there. OSError where it can have no such name."""
        if not is_plain(name):
            raise OSError(errno.EINVAL, UNUSABLE, self.locate(name))
        fs, root = self.connect()
        return fs, f"{root}/{name}"

    @contextmanager
    def os_errors(self, name: str = "") -> Iterator[None]:
        """Turns whatever a driver raises into OSError."""
        try:
            yield
        except MemoryError:
            raise
        except Exception as error:
            raise as_os_error(error, self.locate(name) if name else self.place) from error

    def files(self, folder: str = "", unreadable: dict[str, str] | None = None) -> Iterator[tuple[str, FileStatus]]:
        noted: dict[str, str] = {} if unreadable is None else unreadable
        start = f"{folder.rstrip('/')}/" if folder else ""
        with self.os_errors():
            fs, root = self.connect()

            def note(path: str, error: Exception) -> None:
                place = self.locate(path[len(root) + 1 :])
                noted[place] = str(as_os_error(error, place).strerror)

            for found in list_files(fs, f"{root}/{start}".rstrip("/"), note):
                name = start + found.name
                if name.endswith("/") or not found.name:  # an object that stands for a folder
                    continue
                if is_plain(name):
                    yield name, FileStatus(found.size, found.mtime_ns)
                else:
                    noted[self.locate(name)] = UNUSABLE

    def status(self, name: str) -> FileStatus | None:
        with suppress(FileNotFoundError), self.os_errors(name):
            fs, path = self.resolve(name)
            info = file_info(fs, path)
            if info["type"] != "directory":
                return FileStatus(info["size"] or 0, modified_ns(info))
        return None

    def read(self, name: str, limit_bytes: int | None = None) -> bytes:
        with self.os_errors(name):
            fs, path = self.resolve(name)
            if limit_bytes is None:
                return bytes(fs.cat_file(path, **read_options(fs)))
            try:
                return bytes(fs.cat_file(path, start=0, end=max(limit_bytes, 1))[:limit_bytes])
            except Exception:  # as stores do where an empty file is asked for its first bytes
                status = self.status(name)
                if status is None or status.size:
                    raise
                return b""

    def read_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        rest = iter(names)
        while batch := list(islice(rest, AT_ONCE)):
            with self.os_errors():
                paths = [self.resolve(name)[1] for name in batch]
                fs, _ = self.connect()
                contents = fs.cat_ranges(paths, None, None, on_error="return", **read_options(fs))
            for name, content in zip(batch, contents, strict=True):
                if isinstance(content, Exception):
                    raise as_os_error(content, self.locate(name)) from content
                yield name, bytes(content)

    def check_target(self, name: str, *, overwrite: bool) -> None:
        try:
            self.resolve(name)
            exists = not overwrite and self.status(name) is not None
        except OSError as error:
            raise self.unwritable(name, error) from error
        if exists:
            raise already_exists(self.locate(name))

    def write(self, name: str, content: bytes, *, overwrite: bool, ready: Callable[[FileStatus], None] | None = None) -> None:
        self.check_target(name, overwrite=overwrite)
        try:
            self.put(name, content, overwrite=overwrite)
            status = self.status(name) if ready is not None else None
        except FileExistsError:
            raise already_exists(self.locate(name)) from None
        except OSError as error:
            raise self.unwritable(name, error) from error
        WRITTEN.set()
        if ready is not None:
            ready(status or FileStatus(len(content), None))

    def put(self, name: str, content: bytes, *, overwrite: bool) -> None:
        """Writes a file without looking first. OSError; FileExistsError where one with other content has appeared."""
        with self.os_errors(name):
            fs, path = self.resolve(name)
            try:
                put(fs, path, content, overwrite=overwrite)
            except OSError as error:
                refused = isinstance(error, FileExistsError) or error.errno in UNMET
                if overwrite or not refused or (there := self.read_if_there(name)) is None:
                    raise
                if there != content:  # else it is this one: a driver that lost the answer has sent it twice
                    raise FileExistsError(path) from error

    def read_if_there(self, name: str) -> bytes | None:
        """Reads a file; None where there is none, or it cannot be read."""
        try:
            return self.read(name)
        except OSError:
            return None

    def unwritable(self, name: str, error: OSError) -> LaaError:
        """Makes the error for a file that could not be written."""
        return FileError(f"cannot write {self.locate(name)}: {explain_os_error(error, ADVICE)}", error)

    def remove(self, name: str) -> None:
        try:
            with suppress(FileNotFoundError), self.os_errors(name):
                fs, path = self.resolve(name)
                fs.rm_file(path)
        except OSError as error:
            raise FileError(f"cannot remove {self.locate(name)}: {explain_os_error(error, ADVICE)}", error) from error

    def remove_many(self, names: Iterable[str]) -> None:
        with ThreadPoolExecutor(REMOVED_AT_ONCE) as pool:
            for _ in pool.map(self.remove, names):
                pass


def is_plain(name: str) -> bool:
    """Whether a name leads to one file below the folder, on any storage."""
    parts = name.split("/")
    return not ({"", ".", ".."} & set(parts) or "\0" in name or VERSIONED in name.lower() or is_surrogate(name))


def is_surrogate(name: str) -> bool:
    """Whether a name is no valid Unicode, as of local files whose names are not UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return True
    return False
