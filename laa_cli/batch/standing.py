"""Where each photo of a folder stands, by the manifest and the files themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .manifest import Manifest, Record
from .recipe import Recipe, hash_file
from .walk import PhotoFile


@dataclass
class Status:
    """The photos that have to be done, those that are, and those that failed before and are as they were then."""

    todo: list[PhotoFile] = field(default_factory=list)
    done: list[PhotoFile] = field(default_factory=list)
    failed: list[PhotoFile] = field(default_factory=list)


def status_of(photos: list[PhotoFile], out: Path, recipe: Recipe, manifest: Manifest) -> Status:
    """Sorts the photos. Files whose size and time are as recorded are not read again."""
    standing = Status()
    digests = {failed: recipe.digest(failed=failed) for failed in (False, True)}
    for photo in photos:
        record = manifest.records.get(photo.name)
        if record is None or not is_current(photo, record, digests, manifest):
            standing.todo.append(photo)
        elif record["error"] is not None:
            standing.failed.append(photo)
        else:
            intact = is_unchanged(out / photo.output, record, "output_", manifest)
            (standing.done if intact else standing.todo).append(photo)
    return standing


def is_current(photo: PhotoFile, record: Record, digests: dict[bool, str], manifest: Manifest) -> bool:
    """Whether a record speaks of the photo as it is, and of this recipe."""
    right = record["output"] == photo.output and record["recipe"] == digests[record["error"] is not None]
    return right and is_unchanged(photo.path, record, "", manifest)


def is_unchanged(path: Path, record: Record, kind: str, manifest: Manifest) -> bool:
    """Whether a file is the recorded one; `kind`: what its fields begin with. A new time of the same content is recorded."""
    try:
        status = path.stat()
        if status.st_size != record[f"{kind}size"]:
            return False
        if status.st_mtime_ns != record[f"{kind}mtime_ns"]:
            if hash_file(path) != record[f"{kind}sha256"]:
                return False
            manifest.append(manifest.records[record["input"]] | {f"{kind}mtime_ns": status.st_mtime_ns})
    except (OSError, KeyError):  # KeyError: a record that somebody else wrote
        return False
    return True
