"""`manifest.jsonl`: one line for each photo, on disk before its result gets its name.

A record therefore counts only where the result is there with the recorded hash. The last record of a photo is the one that
holds. A torn last line, which a killed run or a full disk leaves, is cut off before anything is added.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NotRequired, TypedDict, cast

import torch

from .. import __version__
from ..errors import LaaError, SetupError
from ..records import FaceRecord
from ..upscale import Options
from .scan import PhotoFile

NAME = "manifest.jsonl"
FIELDS = {"input", "output", "size", "mtime_ns", "sha256", "recipe", "error"}  # of every record


class SourceRecord(TypedDict):
    """The photo's name and its file as it was before it was read: bytes, time, SHA-256; None where it could not be read."""

    input: str
    output: str
    size: int | None
    mtime_ns: int | None
    sha256: str | None


class ResultRecord(TypedDict):
    """The result's size in pixels, the photo's faces, and the result's file."""

    width: int
    height: int
    faces: list[FaceRecord]
    output_sha256: str
    output_size: int


class RecipeRecord(TypedDict):
    """What a result was made with, in plain text; `Recipe.digest` is its fingerprint."""

    versions: dict[str, str]
    weights: str
    options: dict[str, Any]


class Record(SourceRecord):
    """A line of the manifest. A photo that failed has an `error`, and none of the fields of a result.

    `recipe`: the digest of the recipe that the outcome holds for; None of a failure that another run may not have.
    """

    recipe: str | None
    error: str | None
    width: NotRequired[int]
    height: NotRequired[int]
    faces: NotRequired[list[FaceRecord]]
    output_sha256: NotRequired[str]
    output_size: NotRequired[int]
    output_mtime_ns: NotRequired[int]
    versions: NotRequired[dict[str, str]]
    weights: NotRequired[str]
    options: NotRequired[dict[str, Any]]
    seconds: NotRequired[dict[str, float]]


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
            yield cast(Record, record)


# What a result was made with: one that was made otherwise is made again.


@dataclass(frozen=True)
class Recipe:
    """Everything that decides on the bytes of a result. `weights`: their SHA-256; `loading`: what the networks are set to."""

    options: Options
    weights: str
    loading: dict[str, float | None]  # a face's least size and confidence, fidelity
    strip_metadata: bool = False
    require_face: bool = False

    def to_dict(self) -> dict[str, Any]:
        """What a record says of it."""
        limits = {"strip_metadata": self.strip_metadata, "require_face": self.require_face}
        versions = {"laa": __version__, "torch": torch.__version__}
        return {"versions": versions, "weights": self.weights, "options": asdict(self.options) | self.loading | limits}

    def digest(self, *, failed: bool) -> str:
        """Its fingerprint. Limits that only decide whether a photo fails count for those that `failed`."""
        values = self.to_dict() | {"versions": __version__}  # another torch is no reason to do all again
        if not failed:
            for limit in ("max_pixels", "require_face"):
                del values["options"][limit]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_weights(path: Path) -> str:
    """SHA-256 of the weights. LaaError where they cannot be read."""
    try:
        return hash_file(path)
    except OSError as error:
        raise LaaError(f"cannot read the weights {path}: {error.strerror or error}") from error


# Incremental runs: which photos of a folder have to be done


@dataclass
class Status:
    """The photos that have to be done, those that are, and those that failed before and are as they were then."""

    todo: list[PhotoFile] = field(default_factory=list)
    done: list[PhotoFile] = field(default_factory=list)
    failed: list[PhotoFile] = field(default_factory=list)


def status_of(photos: list[PhotoFile], out: Path, recipe: Recipe, manifest: Manifest) -> Status:
    """Sorts the photos by the manifest and the files. Those whose size and time are as recorded are not read again."""
    status = Status()
    digests = {failed: recipe.digest(failed=failed) for failed in (False, True)}
    for photo in photos:
        record = manifest.records.get(photo.name)
        if record is None or not is_current(photo, record, digests, manifest):
            status.todo.append(photo)
        elif record["error"] is not None:
            status.failed.append(photo)
        else:
            intact = is_unchanged(out / photo.output, record, "output_", manifest)
            (status.done if intact else status.todo).append(photo)
    return status


def is_current(photo: PhotoFile, record: Record, digests: dict[bool, str], manifest: Manifest) -> bool:
    """Whether a record speaks of the photo as it is, and of this recipe. `digests`: the recipe's, by whether a photo failed."""
    if record["output"] != photo.output or record["recipe"] != digests[record["error"] is not None]:
        return False
    return is_unchanged(photo.path, record, "", manifest)


def is_unchanged(path: Path, record: Record, prefix: str, manifest: Manifest) -> bool:
    """Whether a file is the recorded one; its fields begin with `prefix`. A new time of the same content is recorded."""
    fields: dict[str, Any] = {**record}
    try:
        status = path.stat()
        if status.st_size != fields[f"{prefix}size"]:
            return False
        if status.st_mtime_ns != fields[f"{prefix}mtime_ns"]:
            if hash_file(path) != fields[f"{prefix}sha256"]:
                return False
            latest = {**manifest.records[record["input"]], f"{prefix}mtime_ns": status.st_mtime_ns}
            manifest.append(cast(Record, latest))
    except (OSError, KeyError):  # KeyError: a record that somebody else wrote
        return False
    return True
