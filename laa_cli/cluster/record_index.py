"""What the manifests of a folder of results say, a few hundred bytes a photo: enough to plan a run and to count."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..batch.schema import ManifestRecord, is_name_pair, parse_record
from ..batch.unit_manifest import is_manifest, order_of, parse_lines
from ..restore.records import restored_faces
from ..restore.runtime import TORCH
from ..utils.storage import FileStatus, Storage

CACHED_MANIFESTS = 32  # of those that whole records are read from


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """A photo's last record in short. `manifest`: the file that it stands in; `output_sha256`: empty for a failure."""

    manifest: str
    output: str
    recipe: str | None
    source: FileStatus | None
    result: FileStatus | None
    output_sha256: str
    error: str | None
    restored: int
    names: tuple[str, ...]  # of persons

    @classmethod
    def of(cls, manifest: str, record: ManifestRecord) -> RecordEntry:
        """Shortens a record."""
        faces = record.get("faces", [])
        size, failed = record["size"], record["error"] is not None
        return cls(
            manifest=manifest,
            output=record["output"],
            recipe=record["recipe"],
            source=None if size is None else FileStatus(size, record["mtime_ns"]),
            result=None if failed else FileStatus(record["output_size"], record["output_mtime_ns"]),
            output_sha256="" if failed else record["output_sha256"],
            error=record["error"],
            restored=len(restored_faces(faces)),
            names=tuple(face["name"] for face in faces if face.get("name")),
        )


class RecordIndex:
    """The last records of all photos. `outputs`: the names of all results that laa ever made or began, with the file that says
    so: the last manifest, or where there is none what was begun.

    `runtime`: what the last result was made with; None where there is none.
    """

    def __init__(self, results: Storage) -> None:
        self.results = results
        self.entries: dict[str, RecordEntry] = {}
        self.outputs: dict[str, str] = {}
        self.manifests: set[str] = set()
        self.begun: dict[str, list[str]] = {}  # by the file that says so: results of units that were not finished
        self.foreign_lines = 0
        self.runtime: str | None = None
        self.shared: dict[str, str] = {}  # one copy of what many records say
        self.whole_records = lru_cache(CACHED_MANIFESTS)(self.read_manifest)

    def read(self, manifests: Iterable[str], begun: Iterable[str]) -> None:
        """Reads the manifests, and the files that say what was begun. Raises OSError."""
        for name, content in self.results.read_many(sorted(begun)):
            self.begun[name] = [output for value in parse_lines(content) if (output := self.pass_over(name, value))]
        for name, content in self.results.read_many(sorted(filter(is_manifest, manifests), key=order_of)):
            self.manifests.add(name)
            for value in parse_lines(content):
                record = parse_record(value)
                if record is None:
                    self.pass_over(name, value)
                else:
                    self.remember(name, record)

    def remember(self, manifest: str, record: ManifestRecord) -> None:
        """Puts a record in the place of the photo's earlier one."""
        self.manifests.add(manifest)
        entry = RecordEntry.of(self.share(manifest), {**record, "recipe": self.share(record["recipe"])})
        self.entries[record["input"]] = entry
        if entry.error is None:
            self.outputs[entry.output] = entry.manifest
            self.runtime = self.share(str(record["options"].get("runtime", TORCH)))

    def pass_over(self, name: str, value: Any) -> str | None:
        """Forgets what is known of the photo of a line that is no whole record: it is done again, over its own result.

        Returns that result's name; None where the line says none.
        """
        photo, output = (value.get("input"), value.get("output")) if isinstance(value, dict) else (None, None)
        if not (isinstance(photo, str) and isinstance(output, str) and is_name_pair(photo, output)):
            self.foreign_lines += 1
            return None
        self.entries.pop(photo, None)
        self.outputs[output] = name
        return output

    def share(self, text: str | None) -> Any:
        """Returns the one copy of a text."""
        return None if text is None else self.shared.setdefault(text, text)

    def records(self, names: Sequence[str]) -> list[ManifestRecord]:
        """Reads the whole records of photos that the index has. Raises OSError, KeyError where a manifest has changed."""
        return [self.whole_records(self.entries[name].manifest)[name] for name in names]

    def read_manifest(self, manifest: str) -> dict[str, ManifestRecord]:
        """Reads one manifest's records by the names of their photos."""
        values = map(parse_record, parse_lines(self.results.read(manifest)))
        return {record["input"]: record for record in values if record is not None}

    def superseded(self) -> Iterator[str]:
        """Yields the unit manifests none of whose records hold any more, and that no result is known by."""
        holding = {entry.manifest for entry in self.entries.values()} | {*self.outputs.values()}
        yield from sorted(name for name in self.manifests - holding if order_of(name)[0] >= 0)

    def settled(self, files: Container[str]) -> Iterator[str]:
        """Yields the files that say what was begun by which no result is known. `files`: the results that were there."""
        for name, outputs in self.begun.items():
            if not any(self.outputs[output] == name and output in files for output in outputs):
                yield name
