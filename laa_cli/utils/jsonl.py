"""Append-only JSON Lines (JSONL) files that a killed process or a full disk cannot ruin: a torn last line is cut off."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MAX_LINE_BYTES = 1 << 24  # a photo of 30,000 faces
# a text mode of Windows would change line ends; Python's handles are closed in child processes without O_CLOEXEC
OPEN_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)


class JsonLinesFile:
    """An open JSON Lines file, one record for each line. Call `recover` before the first `append`.

    `fsync`: a record is on disk when `append` returns, rather than only with the operating system. One process may write at
    a time: hold a lock (`laa_cli.utils.locks`). All methods raise OSError.
    """

    def __init__(self, path: Path, *, fsync: bool) -> None:
        self.path = path
        self.fsync = fsync
        self.handle = os.open(path, OPEN_FLAGS, 0o666)

    def recover(self) -> list[tuple[Any, int]]:
        """Cuts off a torn last line; returns the others' values, None for one that is not JSON, and their ends in bytes."""
        content = self.path.read_bytes()
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
