"""Append-only JSON Lines (JSONL) files that a killed process or a full disk cannot ruin: a torn last line is cut off."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .folders import NO_FOLLOW

MAX_LINE_BYTES = 1 << 24  # a photo of 30,000 faces
# a text mode of Windows would change line ends; Python's handles are closed in child processes without O_CLOEXEC
OPEN_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | NO_FOLLOW | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


def open_to_append(path: Path) -> int:
    """Opens or makes a file that no other name leads to: what is added or cut off changes no other file. Raises OSError."""
    handle = os.open(path, OPEN_FLAGS, 0o666)
    status = os.fstat(handle)
    if stat.S_ISREG(status.st_mode) and status.st_nlink <= 1:
        return handle
    os.close(handle)
    if stat.S_ISREG(status.st_mode):
        raise OSError(errno.EMLINK, "it is another file, too (a hard link)", str(path))
    raise OSError(errno.EINVAL, "it is no regular file", str(path))


class JsonLinesFile:
    """An open JSON Lines file, one record for each line. Call `recover` before the first `append`.

    `fsync`: a record is on disk when `append` returns, rather than only with the operating system. One process may write at
    a time: hold a lock (`laa_cli.utils.locks`). All methods raise OSError.
    """

    def __init__(self, path: Path, *, fsync: bool) -> None:
        self.path = path
        self.fsync = fsync
        self.handle = open_to_append(path)

    def recover(self) -> list[tuple[Any, int]]:
        """Cuts off a torn last line; returns the others' values, None for one that is not JSON, and their ends in bytes."""
        os.lseek(self.handle, 0, os.SEEK_SET)
        with open(self.handle, "rb", closefd=False) as file:
            content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            self.truncate(whole)
        records, end = [], 0
        for line in content[:whole].splitlines(keepends=True):
            end += len(line)
            records.append((parse_line(line), end))
        return records

    def append(self, record: Mapping[str, Any]) -> None:
        """Adds a line. After an error the file may end in a torn one."""
        line = json.dumps(record).encode() + b"\n"
        if os.write(self.handle, line) < len(line):
            raise OSError("the disk took only a part of a record")
        if self.fsync:
            os.fsync(self.handle)

    def sync(self) -> None:
        """Waits until all records are on disk."""
        os.fsync(self.handle)

    def truncate(self, length: int) -> None:
        """Cuts the file off after `length` bytes."""
        os.ftruncate(self.handle, length)

    def close(self) -> None:
        """Closes the file, which ends a lock on it. May be called twice."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1


def parse_line(line: bytes) -> Any:
    """Parses a line; None where it is not JSON, or longer than any record."""
    try:
        return load_json(line) if len(line) <= MAX_LINE_BYTES else None
    except ValueError:
        return None


def load_json(content: bytes) -> Any:
    """Parses JSON. ValueError where it is none, or is nested beyond all that Python follows."""
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
