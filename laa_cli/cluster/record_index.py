"""What the manifests of a folder of results say, a few hundred bytes a photo: enough to plan a run and to count."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from sys import intern
from typing import Any

from ..batch.schema import ManifestRecord, is_name_pair, parse_record_line
from ..batch.unit_manifest import is_manifest, order_of
from ..restore.runtime import TORCH
from ..utils.jsonl import parse_line
from ..utils.storage import Storage
from .record_entry import EntryTable, RecordEntry
from .record_reader import RecordReader, open_manifests


class RecordIndex:
    """The last records of all photos. `outputs`: the names of all results that laa ever made or began, with the file that says
    so: the last manifest, or where there is none what was begun.

    `runtime`: what the last result was made with; None where there is none.
    """

    def __init__(self, results: Storage) -> None:
        self.results = results
        self.entries = EntryTable()
        self.outputs: dict[str, str] = {}
        self.manifests: set[str] = set()
        self.begun: dict[str, list[str]] = {}  # by the file that says so: results of units that were not finished
        self.foreign_lines = 0
        self.runtime: str | None = None
        self.reader = RecordReader(results)

    def read(self, manifests: Iterable[str], begun: Iterable[str]) -> None:
        """Reads the manifests, and the files that say what was begun. Raises OSError."""
        for name, lines in open_manifests(self.results, sorted(begun)):
            self.begun[name] = [output for line in lines if (output := self.pass_over(name, parse_line(line)))]
        for name, lines in open_manifests(self.results, sorted(filter(is_manifest, manifests), key=order_of)):
            self.manifests.add(name)
            for line in lines:
                record = parse_record_line(line)
                if record is None:
                    self.pass_over(name, parse_line(line))
                else:
                    self.remember(name, record)

    def remember(self, manifest: str, record: ManifestRecord) -> None:
        """Puts a record in the place of the photo's earlier one."""
        self.manifests.add(manifest)
        self.entries[intern(record["input"])] = RecordEntry.of(manifest, record)
        if record["error"] is None:
            self.outputs[intern(record["output"])] = intern(manifest)
            self.runtime = str(record["options"].get("runtime", TORCH))

    def pass_over(self, name: str, value: Any) -> str | None:
        """Forgets what is known of the photo of a line that is no whole record: it is done again, over its own result.

        Returns that result's name; None where the line says none.
        """
        photo, output = (value.get("input"), value.get("output")) if isinstance(value, dict) else (None, None)
        if not (isinstance(photo, str) and isinstance(output, str) and is_name_pair(photo, output)):
            self.foreign_lines += 1
            return None
        self.entries.pop(photo, None)
        self.outputs[intern(output)] = name
        return output

    def records(self, names: Sequence[str]) -> list[ManifestRecord]:
        """Reads the whole records of photos that the index has. Raises OSError, KeyError where a manifest has changed."""
        records = self.reader.read((self.entries[name].manifest, name) for name in names)
        return [records[name] for name in names]

    def superseded(self) -> Iterator[str]:
        """Yields the unit manifests none of whose records hold any more, and that no result is known by."""
        holding = self.entries.holding() | {*self.outputs.values()}
        yield from sorted(name for name in self.manifests - holding if order_of(name)[0] >= 0)

    def settled(self, files: Container[str]) -> Iterator[str]:
        """Yields the files that say what was begun by which no result is known. `files`: the results that were there."""
        for name, outputs in self.begun.items():
            if not any(self.outputs[output] == name and output in files for output in outputs):
                yield name
