"""Reads manifests: line by line, and the whole records of some photos."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from sys import intern
from typing import BinaryIO

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from ..batch.schema import ManifestRecord, parse_record_line
from ..utils.jsonl import parse_line
from ..utils.storage import Storage

CACHED_MANIFESTS = 32  # of those that records are read from


class Named(TypedDict):
    """The one field that says whose line it is."""

    input: str


NAMED = TypeAdapter(Named)


def open_manifests(results: Storage, names: list[str]) -> Iterator[tuple[str, BinaryIO]]:
    """Opens manifests one after the other, as `Storage.read_many` does; one on this machine is not read whole. Raises OSError.

    The local batch's can have a line for each of a million photos.
    """
    if results.local_path("") is None:
        yield from ((name, io.BytesIO(content)) for name, content in results.read_many(names))
        return
    for name in names:
        path = results.local_path(name)
        assert path is not None  # all files of a storage lie on this machine, or none
        with path.open("rb") as file:
            yield name, file


class ManifestLines:
    """Where in a manifest the last line of each photo begins. Raises OSError."""

    def __init__(self, results: Storage, manifest: str) -> None:
        self.path = results.local_path(manifest)
        self.content = b"" if self.path else results.read(manifest)
        self.starts: dict[str, int] = {}
        start = 0
        with self.open() as file:
            for line in file:
                if (name := name_in(line)) is not None:
                    self.starts[intern(name)] = start
                start += len(line)

    def open(self) -> BinaryIO:
        """Opens the manifest."""
        return self.path.open("rb") if self.path else io.BytesIO(self.content)

    def records(self, photos: Iterable[str]) -> Iterator[ManifestRecord]:
        """Reads the records of those photos that the manifest has."""
        with self.open() as file:
            for start in sorted(self.starts[photo] for photo in photos if photo in self.starts):
                file.seek(start)
                if (record := parse_record_line(file.readline())) is not None:
                    yield record


class RecordReader:
    """Reads whole records from the manifests that they stand in. Keeps the last manifests, but no records."""

    def __init__(self, results: Storage) -> None:
        self.lines = lru_cache(CACHED_MANIFESTS)(lambda manifest: ManifestLines(results, manifest))

    def read(self, places: Iterable[tuple[str, str]]) -> dict[str, ManifestRecord]:
        """Reads the records of photos, by their names. `places`: of each the manifest and the photo.

        What is not there any more is left out. Each manifest is looked at once. Raises OSError.
        """
        wanted: defaultdict[str, list[str]] = defaultdict(list)
        for manifest, photo in places:
            wanted[manifest].append(photo)
        found = (record for manifest, photos in wanted.items() for record in self.lines(manifest).records(photos))
        return {record["input"]: record for record in found}


def name_in(line: bytes) -> str | None:
    """Returns the name of the photo that a manifest's line is of; None where it says none."""
    try:
        return NAMED.validate_json(line, strict=True)["input"]
    except ValidationError:
        value = parse_line(line)
        name = value.get("input") if isinstance(value, dict) else None
        return name if isinstance(name, str) else None
