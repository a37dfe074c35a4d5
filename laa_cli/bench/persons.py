"""Which faces are of which person: the CSV file of `laa bench identity`, matched with the faces that are there."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from ..errors import LaaError
from ..faceset.format import check_exists, is_unfinished, list_names, list_training_shards

COLUMNS = ("file", "person")  # and "shard", where several tar files have the same names
SHARD = "shard"

Persons = dict[str, list[str]]  # the names of each person's photos, as `encoded_pictures` calls them


def list_sources(data: Iterable[Path]) -> list[Path]:
    """Lists what to read: tar files and folders of pictures as they are, of a folder with tar files those. LaaError."""
    sources: list[Path] = []
    for path in data:
        check_exists(path)
        if is_unfinished(path):
            raise LaaError(f"{path} is not finished: repeat the `laa prepare` that began it")
        shards = list_training_shards(path) if path.is_dir() else []
        others = sorted(set(path.glob("*.tar")) - set(shards)) if path.is_dir() else []
        sources += [*shards, *others] or [path]
    return sources


def read_persons(table: Path, sources: list[Path]) -> tuple[Persons, int]:
    """Reads who is in which of the sources' faces, and how many lines are of faces that are not there.

    LaaError where the file cannot be read or understood, or none of its faces is there.
    """
    rows = read_rows(table)
    faces = FaceIndex(sources)
    people: dict[str, str] = {}
    missing = 0
    for row in rows:
        name = faces.find(row[SHARD], row["file"], table)
        if name is None:
            missing += 1
        elif people.setdefault(name, row["person"]) != row["person"]:
            raise LaaError(f"{table}: {name} is both {people[name]!r} and {row['person']!r}: leave one person a face")
    if not people:
        raise LaaError(
            f"no face of {', '.join(map(str, sources))} is in {table}: there one is called {rows[0]['file']!r}, "
            f"here {faces.example!r}: correct the columns file and shard"
        )
    persons: defaultdict[str, list[str]] = defaultdict(list)
    for name, person in people.items():
        persons[person].append(name)
    return dict(persons), missing


def read_rows(table: Path) -> list[dict[str, str]]:
    """Reads the lines whose person is known. LaaError where there are none."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", strict=True)
            names = reader.fieldnames or ()
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LaaError(f"cannot read the persons {table}: {error}: give a CSV file in UTF-8") from error
    if missing := [column for column in COLUMNS if column not in names]:
        raise LaaError(f"{table} lacks the column {missing[0]}: its first line has to name {' and '.join(COLUMNS)}")
    known = [{key: row.get(key, "").strip() for key in (*COLUMNS, SHARD)} for row in rows if row["person"].strip()]
    if not known:
        raise LaaError(f"{table} names no person: fill its column person, with the same value for the same person")
    return known


class FaceIndex:
    """The names of the sources' faces, found by what a CSV file calls them."""

    def __init__(self, sources: list[Path]) -> None:
        self.in_shards: dict[tuple[str, str], str] = {}  # by the tar file's name and the name in it
        self.in_folders: dict[str, str] = {}  # by the path below the folder
        self.by_file: defaultdict[str, list[str]] = defaultdict(list)
        for source in sources:
            for name in list_names([source]):
                file = relative_name(source, name)
                self.by_file[file].append(name)
                if source.is_dir():
                    self.in_folders[file] = name
                else:
                    self.in_shards[source.name, file] = name

    @property
    def example(self) -> str:
        """What a face is called here."""
        return next(iter(self.by_file), "")

    def find(self, shard: str, file: str, table: Path) -> str | None:
        """Finds a face; None where it is not there. A `shard` only counts for tar files. LaaError where two are called so."""
        if shard and (found := self.in_shards.get((shard, file)) or self.in_folders.get(file)):
            return found
        names = [] if shard else self.by_file.get(file, [])
        if len(names) > 1:
            raise LaaError(
                f"{table}: {file!r} may be {names[0]} or {names[1]}: add the column {SHARD}, with the tar file's name"
            )
        return names[0] if names else None


def relative_name(source: Path, name: str) -> str:
    """Returns a face's name within its source, with slashes."""
    return Path(name).relative_to(source).as_posix() if source.is_dir() else name.removeprefix(f"{source}:")
