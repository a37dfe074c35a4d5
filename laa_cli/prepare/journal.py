"""The journal of a run: the faces of each photo on disk (JSONL and pictures), so that a killed run goes on where it stopped."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from ..errors import FileError, LaaError, explain_os_error
from ..faceset.format import TRAIN, VALIDATION
from ..utils.atomic import write_atomically
from ..utils.inputs import NO_INPUTS
from ..utils.jsonl import JsonLinesFile, load_json, open_to_append
from ..utils.locks import lock_file
from .crops import CroppedFace, PhotoFaces
from .settings import FORMATS

SETTINGS = "settings.json"  # what the run was asked to do
RECORDS = "journal.jsonl"  # a JournalRecord for each photo
PICTURES = "pictures.bin"  # the encoded faces, one behind the other
Count = Annotated[int, Field(ge=0, lt=2**63)]


class CropRecord(TypedDict):
    """A CroppedFace without its picture."""

    side_px: Count
    sharpness: FiniteFloat
    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    split: Annotated[str, Field(pattern=f"^({TRAIN}|{VALIDATION})$")]
    person: str
    suffix: Annotated[str, Field(pattern=f"^({'|'.join(FORMATS)})$")]


class JournalRecord(TypedDict):
    """A line of journal.jsonl: a PhotoFaces, and where the pictures of its crops lie in pictures.bin."""

    photo: str
    error: str
    faces: Count
    small: Count
    blurred: Count
    unknown: Count
    crops: list[CropRecord]
    start: Count
    sizes: list[Count]
    end: Count


RECORD = TypeAdapter(JournalRecord)


@dataclass(frozen=True)
class StoredFace:
    """A face in the journal: the name of its photo, what is known of it, and where its encoded picture lies in pictures.bin."""

    photo: str
    crop: CroppedFace
    offset: int
    size: int


class Journal:
    """The faces of photos, appended as they come; a record counts once its line is whole and its pictures are there.

    `settings`: what the run was asked to do; a journal of other settings is refused. One run at a time: the journal is
    locked until it is closed. Raises LaaError.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder = folder
        self.records: list[JournalRecord] = []
        self.end = 0  # of the pictures
        if (folder / SETTINGS).exists():
            self.check_settings(settings)
        else:
            write_atomically(folder / SETTINGS, json.dumps(settings).encode(), inputs=NO_INPUTS, overwrite=False)
        try:
            self.lines = JsonLinesFile(folder / RECORDS, fsync=False)
            self.pictures = os.fdopen(open_to_append(folder / PICTURES), "ab")
        except OSError as error:
            raise LaaError(f"cannot write {error.filename}: {explain_os_error(error)}") from error
        try:
            self.lock()
            self.recover()
        except BaseException:
            self.close()
            raise

    def check_settings(self, settings: dict[str, Any]) -> None:
        """Refuses to go on with a run that was asked for something else."""
        try:
            before = load_json((self.folder / SETTINGS).read_bytes())
            if not isinstance(before, dict):
                raise ValueError(f"{SETTINGS} holds no settings")
        except (OSError, ValueError) as error:
            raise LaaError(f"cannot go on with {self.folder}: {error}: delete it, or choose another folder") from error
        for name, value in settings.items():
            if before.get(name) != value:
                reason = f"{self.folder} was begun with {name} {before.get(name)}, not {value}"
                raise LaaError(f"{reason}: repeat that command, delete the folder, or choose another")

    def lock(self) -> None:
        """Locks the journal for this run, where the system and the file system have locks."""
        with suppress(OSError):
            message = f"another run is working in {self.folder}: wait for it, or choose another folder"
            lock_file(self.lines.handle, message)

    def recover(self) -> None:
        """Loads the records up to the first that does not fit or lacks its pictures, and truncates both files there."""
        length = 0
        stored = os.path.getsize(self.folder / PICTURES)
        for value, line_end in self.lines.recover():
            record = parse_journal_record(value, self.end)
            if record is None or record["end"] > stored:
                break
            self.records.append(record)
            length = line_end
            self.end = record["end"]
        self.lines.truncate(length)
        self.pictures.truncate(self.end)

    def add(self, faces: PhotoFaces) -> None:
        """Appends a photo's faces: the pictures first, then the record."""
        record = make_record(faces, self.end)
        try:
            for crop in faces.crops:
                self.pictures.write(crop.content)
            self.pictures.flush()
            self.lines.append(record)
        except OSError as error:
            reason = explain_os_error(error, "check the disk")
            raise FileError(f"cannot write to {self.folder}: {reason}, and repeat the command to go on", error) from error
        self.records.append(record)
        self.end = record["end"]

    def list_faces(self, record: JournalRecord) -> list[StoredFace]:
        """Lists the faces of a photo's record."""
        faces, offset = [], record["start"]
        for values, size in zip(record["crops"], record["sizes"], strict=True):
            faces.append(StoredFace(record["photo"], CroppedFace(**values), offset, size))
            offset += size
        return faces

    def read_picture(self, face: StoredFace) -> bytes:
        """Reads the encoded picture of a face."""
        with (self.folder / PICTURES).open("rb") as file:
            file.seek(face.offset)
            return file.read(face.size)

    def close(self) -> None:
        """Closes the files, which ends the lock. May be called twice."""
        self.lines.close()
        with suppress(OSError):  # of a full disk, which `add` has reported
            self.pictures.close()


def parse_journal_record(value: Any, start: int) -> JournalRecord | None:
    """Checks a line's value field by field; None where it does not fit, or its pictures do not begin at `start`."""
    try:
        record = RECORD.validate_python(value, strict=True)
    except ValidationError:
        return None
    places = (record["start"], record["end"], len(record["sizes"]))
    return record if places == (start, start + sum(record["sizes"]), len(record["crops"])) else None


def make_record(faces: PhotoFaces, start: int) -> JournalRecord:
    """Makes the record of a photo's faces, whose pictures begin at `start`."""
    sizes = [len(crop.content) for crop in faces.crops]
    return JournalRecord(
        photo=faces.photo,
        error=faces.error,
        faces=faces.faces,
        small=faces.small,
        blurred=faces.blurred,
        unknown=faces.unknown,
        crops=[make_crop_record(crop) for crop in faces.crops],
        start=start,
        sizes=sizes,
        end=start + sum(sizes),
    )


def make_crop_record(crop: CroppedFace) -> CropRecord:
    """Makes the record of a face: everything but its picture."""
    return CropRecord(
        side_px=crop.side_px,
        sharpness=crop.sharpness,
        fingerprint=crop.fingerprint,
        split=crop.split,
        person=crop.person,
        suffix=crop.suffix,
    )
