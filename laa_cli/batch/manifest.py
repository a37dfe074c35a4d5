"""`manifest.jsonl`: one line for each photo, on disk before its result gets its name.

A record therefore counts only where the result is there with the recorded hash. The last record of a photo is the one that
holds. A torn last line, which a killed run or a full disk leaves, is cut off before anything is added.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import SetupError

NAME = "manifest.jsonl"
FIELDS = {"input", "output", "size", "mtime_ns", "sha256", "recipe", "error"}  # of every record

Record = dict[str, Any]


class Manifest:
    """The records of a folder of results by the names of their photos. SetupError where it cannot be read or written."""

    def __init__(self, out: Path) -> None:
        self.path = out / NAME
        try:
            self.handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            content = self.path.read_bytes()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                os.ftruncate(self.handle, whole)
        except OSError as error:
            raise self.unusable(error) from error
        self.records: dict[str, Record] = {}
        self.outputs: set[str] = set()  # every name that a result was ever given
        for record in parsed(content[:whole]):
            self.remember(record)

    def append(self, record: Record) -> None:
        """Adds a record; it is on disk when this returns."""
        line = json.dumps(record).encode() + b"\n"
        try:
            if os.write(self.handle, line) < len(line):
                raise OSError("the disk took only a part of a record")
            os.fsync(self.handle)
        except OSError as error:
            raise self.unusable(error) from error
        self.remember(record)

    def remember(self, record: Record) -> None:
        """Puts a record in the place of the photo's earlier one."""
        self.records[record["input"]] = record
        if record["error"] is None:
            self.outputs.add(record["output"])

    def unusable(self, error: OSError) -> SetupError:
        """The error for a manifest that cannot be read or written."""
        reason = error.strerror or error
        return SetupError(
            f"cannot use {self.path}: {reason}: make room or check its permissions, then run the same command again"
        )

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self.handle)


def parsed(content: bytes) -> Iterator[Record]:
    """The lines that are records; others, from whatever hand, are passed over."""
    for line in content.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and record.keys() >= FIELDS:
            yield record
