"""What the index keeps of a record, and a table of a million of them, packed: as objects they take three times the memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from struct import Struct
from typing import Any

from ..batch.schema import ManifestRecord
from ..restore.records import restored_faces
from ..utils.storage import FileStatus

PACKED = Struct("<IIIIB4q32s")  # manifest, recipe, restored faces, ".png"s, what is there; source, result: size, time; SHA-256
ADDED = ".png"  # to a photo's name, however often, to make its result's
SOURCE, SOURCE_TIME, RESULT, RESULT_TIME = 1, 2, 4, 8  # what is there, as bits


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


class Numbered:
    """Texts by numbers, each once."""

    def __init__(self) -> None:
        self.texts: list[Any] = []
        self.numbers: dict[Any, int] = {}

    def number(self, text: str | None) -> int:
        """Returns a text's number, a new one where it has none."""
        number = self.numbers.setdefault(text, len(self.texts))
        if number == len(self.texts):
            self.texts.append(text)
        return number


class EntryTable(MutableMapping[str, RecordEntry]):
    """Entries by the names of their photos, some 220 bytes each beside the name."""

    def __init__(self) -> None:
        self.packed: dict[str, bytes] = {}
        self.texts = Numbered()  # manifests and recipes
        self.errors: dict[str, str] = {}
        self.persons: dict[str, tuple[str, ...]] = {}
        self.manifests: Counter[int] = Counter()  # how many entries stand in each

    def __setitem__(self, photo: str, entry: RecordEntry) -> None:
        """Packs an entry. Its result is named as `is_name_pair` has it."""
        if photo in self.packed:
            del self[photo]
        manifest = self.texts.number(entry.manifest)
        self.packed[photo] = PACKED.pack(
            manifest,
            self.texts.number(entry.recipe),
            entry.restored,
            (len(entry.output) - len(photo)) // len(ADDED),
            present(entry.source, SOURCE, SOURCE_TIME) | present(entry.result, RESULT, RESULT_TIME),
            *numbers(entry.source),
            *numbers(entry.result),
            bytes.fromhex(entry.output_sha256),
        )
        self.manifests[manifest] += 1
        if entry.error is not None:
            self.errors[photo] = entry.error
        if entry.names:
            self.persons[photo] = entry.names

    def __getitem__(self, photo: str) -> RecordEntry:
        manifest, recipe, restored, added, there, *files, digest = PACKED.unpack(self.packed[photo])
        return RecordEntry(
            manifest=self.texts.texts[manifest],
            output=photo + ADDED * added,
            recipe=self.texts.texts[recipe],
            source=status(there, SOURCE, SOURCE_TIME, files[:2]),
            result=status(there, RESULT, RESULT_TIME, files[2:]),
            output_sha256=digest.hex() if there & RESULT else "",
            error=self.errors.get(photo),
            restored=restored,
            names=self.persons.get(photo, ()),
        )

    def __delitem__(self, photo: str) -> None:
        manifest = PACKED.unpack(self.packed.pop(photo))[0]
        self.manifests[manifest] -= 1
        self.errors.pop(photo, None)
        self.persons.pop(photo, None)

    def __contains__(self, photo: object) -> bool:
        return photo in self.packed

    def __iter__(self) -> Iterator[str]:
        return iter(self.packed)

    def __len__(self) -> int:
        return len(self.packed)

    def holding(self) -> set[str]:
        """Returns the manifests that entries stand in."""
        return {self.texts.texts[number] for number, count in self.manifests.items() if count}


def present(file: FileStatus | None, there: int, time: int) -> int:
    """Says in bits what is known of a file."""
    return 0 if file is None else there | (0 if file.mtime_ns is None else time)


def numbers(file: FileStatus | None) -> tuple[int, int]:
    """Returns a file's size and time, 0 for what is not known."""
    return (0, 0) if file is None else (file.size, file.mtime_ns or 0)


def status(bits: int, there: int, time: int, values: list[int]) -> FileStatus | None:
    """Undoes `present` and `numbers`."""
    return FileStatus(values[0], values[1] if bits & time else None) if bits & there else None
