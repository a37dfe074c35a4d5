"""What a line of `manifest.jsonl` holds, and the check of a line that is read: it may come from anybody's hand."""

from __future__ import annotations

import math
import os
import re
from pathlib import PurePath
from typing import Annotated, Any, NotRequired

from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from ..options import SCALES
from ..restore.records import FaceRecord, Length
from ..utils.jsonl import MAX_LINE_BYTES, parse_line

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ByteCount = Annotated[int, Field(ge=0, lt=2**63)]
TimeNs = Annotated[int, Field(ge=-(2**63), lt=2**63)]


class SourceRecord(TypedDict):
    """The photo's name and its file as it was before it was read: bytes, time, SHA-256; None where it could not be read."""

    input: str
    output: str
    size: ByteCount | None
    mtime_ns: TimeNs | None
    sha256: Sha256 | None


class ResultRecord(TypedDict):
    """The result's size in px and its background, the photo's faces, what of its metadata was left out, the result's file."""

    width: Length
    height: Length
    background: str
    background_fidelity: FiniteFloat | None
    faces: list[FaceRecord]
    left_out: list[str]
    output_sha256: Sha256
    output_size: ByteCount


class RecipeRecord(TypedDict):
    """What a result was made with, in plain text; `Recipe.digest` is its fingerprint."""

    versions: dict[str, str]
    weights: str
    background_weights: str | None
    options: dict[str, Any]


class ManifestRecord(SourceRecord):
    """A line of the manifest. A photo that failed has an `error`, and none of the fields of a result.

    `recipe`: the digest of the recipe that the outcome holds for; None of a failure that another run may not have.
    """

    recipe: Sha256 | None
    error: str | None
    width: NotRequired[Length]
    height: NotRequired[Length]
    background: NotRequired[str]
    background_fidelity: NotRequired[FiniteFloat | None]
    faces: NotRequired[list[FaceRecord]]
    left_out: NotRequired[list[str]]
    output_sha256: NotRequired[Sha256]
    output_size: NotRequired[ByteCount]
    output_mtime_ns: NotRequired[TimeNs | None]
    versions: NotRequired[dict[str, str]]
    weights: NotRequired[str]
    background_weights: NotRequired[str | None]
    options: NotRequired[dict[str, Any]]
    seconds: NotRequired[dict[str, FiniteFloat]]


RECORD = TypeAdapter(ManifestRecord)
NEWER_FIELDS = {"left_out", "background", "background_fidelity", "background_weights"}  # which older manifests lack
PLAIN_NAME = re.compile(r"\w[\w ().-]*(/\w[\w ().-]*)*", re.ASCII)  # as most are, and `is_name` on any system
RESULT_FIELDS = {*ResultRecord.__annotations__, *RecipeRecord.__annotations__, "output_mtime_ns"} - NEWER_FIELDS


def parse_record(value: Any) -> ManifestRecord | None:
    """Checks a line's value field by field. Returns it without fields that are none of laa's; None where it does not fit."""
    try:
        return accept(RECORD.validate_python(value, strict=True))
    except ValidationError:
        return None


def parse_record_line(line: bytes) -> ManifestRecord | None:
    """Does what `parse_record` does with the value of a line of JSON, in half the time."""
    try:
        return accept(RECORD.validate_json(line, strict=True)) if len(line) <= MAX_LINE_BYTES else None
    except ValidationError:
        return parse_record(parse_line(line))  # pydantic knows no lone surrogates, as in names that are not UTF-8


def accept(record: ManifestRecord) -> ManifestRecord | None:
    """Returns a record whose fields fit where they fit each other, too."""
    fits = is_name_pair(record["input"], record["output"]) and (record["error"] is not None or is_result(record))
    return record if fits else None


def is_result(record: ManifestRecord) -> bool:
    """Whether a record that tells of no failure has all that is said of a result."""
    if not record.keys() >= RESULT_FIELDS or None in (record["sha256"], record["recipe"]):
        return False
    options = record["options"]
    scale, limit = options.get("scale"), options.get("max_pixels")
    if type(scale) is not int or scale not in SCALES or not (limit is None or (type(limit) is int and limit > 0)):
        return False
    return all(map(is_scalar, options.values()))


def is_scalar(value: Any) -> bool:
    """Whether it is what options are: a number, a text, yes or no, or nothing."""
    return value is None or isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))


def is_name_pair(photo: str, output: str) -> bool:
    """Whether these are a photo's name and its result's as a scan makes them: both lead nowhere but down."""
    added = output.removeprefix(photo)
    return is_name(photo) and output == photo + added and added == ".png" * (len(added) // 4)


def is_name(name: str) -> bool:
    """Whether it is a relative name, with slashes, that leads nowhere but down."""
    if PLAIN_NAME.fullmatch(name):
        return True
    try:
        path = PurePath(name)
        os.fsencode(name)
    except ValueError:
        return False
    return path.as_posix() == name and not path.anchor and path.name != "" and ".." not in path.parts and "\0" not in name
