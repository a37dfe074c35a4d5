"""What a run has found so far, kept on disk photo by photo, so that a run that was killed goes on where it stopped."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import LaaError
from ..utils.atomic import write_atomically
from .crops import CroppedFace, PhotoFaces

SETTINGS, RECORDS, PICTURES = "settings.json", "journal.jsonl", "pictures.bin"


@dataclass(frozen=True)
class StoredFace:
    """A face in the journal: its photo, what is known of it, and where its picture's file lies."""

    photo: str
    crop: CroppedFace
    offset: int
    size: int


class Journal:
    """Findings of photos, appended as they come; a record counts once its line is whole and its pictures are there.

    `purpose`: what the run was asked to do; a journal of another purpose is refused. Raises LaaError.
    """

    def __init__(self, folder: Path, purpose: dict[str, Any]) -> None:
        self.folder, self.records = folder, list[dict[str, Any]]()
        settings = folder / SETTINGS
        if settings.exists():
            self.check(settings, purpose)
        else:
            write_atomically(settings, json.dumps(purpose).encode(), overwrite=False)
        self.lines, self.pictures = (open_append(folder / name) for name in (RECORDS, PICTURES))
        try:
            self.lock()
            self.recover()
        except BaseException:
            self.close()
            raise

    def lock(self) -> None:
        """One run at a time, where the system has locks; the lock ends with the process."""
        try:
            import fcntl
        except ImportError:  # Windows
            return
        try:
            fcntl.flock(self.lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LaaError(f"another run is working in {self.folder}: wait for it, or choose another folder") from error
        except OSError:  # a file system without locks
            return

    def check(self, settings: Path, purpose: dict[str, Any]) -> None:
        """Refuses to go on with a run that was asked for something else."""
        try:
            before = json.loads(settings.read_bytes())
        except (OSError, ValueError) as error:
            raise LaaError(f"cannot go on with {self.folder}: {error}: delete it, or choose another folder") from error
        for name, value in purpose.items():
            if before.get(name) != value:
                said = f"{self.folder} was begun with {name} {before.get(name)}, not {value}"
                raise LaaError(f"{said}: repeat that command, delete the folder, or choose another")

    def recover(self) -> None:
        """Takes up the whole records, and cuts off what a killed run left behind them."""
        length = end = 0
        stored = os.path.getsize(self.folder / PICTURES)
        for line in (self.folder / RECORDS).read_bytes().splitlines(keepends=True):
            record = parsed(line)
            if record is None or record["end"] > stored:
                break
            self.records.append(record)
            length, end = length + len(line), record["end"]
        self.lines.truncate(length)
        self.pictures.truncate(end)
        self.end = end

    def add(self, findings: PhotoFaces) -> None:
        """Keeps a photo's findings: its pictures first, then its record."""
        try:
            for crop in findings.crops:
                self.pictures.write(crop.content)
            self.pictures.flush()
            sizes = [len(crop.content) for crop in findings.crops]
            record = findings.record() | {"start": self.end, "sizes": sizes, "end": self.end + sum(sizes)}
            self.lines.write(json.dumps(record).encode() + b"\n")
            self.lines.flush()
        except OSError as error:
            hint = "make room, and repeat the command to go on"
            raise LaaError(f"cannot write to {self.folder}: {error.strerror}: {hint}") from error
        self.records.append(record)
        self.end = record["end"]

    def faces(self, record: dict[str, Any]) -> list[StoredFace]:
        """The faces of a photo's record."""
        kept, offset = [], record["start"]
        for values, size in zip(record["crops"], record["sizes"], strict=True):
            kept.append(StoredFace(record["photo"], CroppedFace(**values), offset, size))
            offset += size
        return kept

    def picture(self, face: StoredFace) -> bytes:
        """A face's file."""
        with (self.folder / PICTURES).open("rb") as file:
            file.seek(face.offset)
            return file.read(face.size)

    def close(self) -> None:
        """Lets go of the files."""
        for file in (self.lines, self.pictures):
            file.close()


def open_append(path: Path) -> BinaryIO:
    """A file to append to."""
    try:
        return path.open("ab")
    except OSError as error:
        raise LaaError(f"cannot write {path}: {error.strerror}") from error


def parsed(line: bytes) -> dict[str, Any] | None:
    """A record, if its line is whole."""
    try:
        return json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
