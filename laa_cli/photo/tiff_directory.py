"""Reads the main directory (IFD0) of a TIFF, classic or BigTIFF, within bounds: a hostile one can claim anything."""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass
from typing import BinaryIO

UNIT_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
INTEGERS = {1: "B", 3: "H", 4: "I", 5: "II", 6: "b", 8: "h", 9: "i", 10: "ii", 13: "I", 16: "Q", 17: "q", 18: "Q"}
MAGICS = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
MAX_PAGES = 1000  # beyond, counting ends
MAX_BYTES = 1 << 26  # of all values: a hostile file can claim the same bytes for many tags
MAX_TAGS = 4096


class UnsupportedError(Exception):
    """A TIFF of a kind that laa does not open; the message says which."""


@dataclass(frozen=True)
class TiffTag:
    """A tag's value: its TIFF field type, the number of units, and their bytes as they are in the file."""

    kind: int
    count: int
    payload: bytes


@dataclass(frozen=True)
class Directory:
    """The main directory: byte order ("<" or ">"), whether it is a BigTIFF's, the tags asked for, and the number of pages."""

    order: str
    big: bool
    tags: dict[int, TiffTag]
    pages: int

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Returns a tag's integers, of rationals numerators and denominators; none where it has none."""
        entry = self.tags.get(tag)
        if entry is None or entry.kind not in INTEGERS:
            return ()
        sign = INTEGERS[entry.kind]
        return struct.unpack(f"{self.order}{entry.count * len(sign)}{sign[0]}", entry.payload)

    def payload(self, tag: int) -> bytes:
        """Returns a tag's bytes, empty where the file has none."""
        return self.tags[tag].payload if tag in self.tags else b""

    def head(self, start: int) -> bytes:
        """Builds what a TIFF of this kind begins with, for a directory at `start`."""
        magic = next(magic for magic, kind in MAGICS.items() if kind == (self.order, self.big))
        return magic + (struct.pack(f"{self.order}HHQ", 8, 0, start) if self.big else struct.pack(f"{self.order}I", start))

    def serialize(self, tags: Collection[int], start: int) -> bytes:
        """Serializes a directory of nothing but these of the tags, in the file's byte order, to lie at `start`."""
        form = FORMS[self.big]
        kept = {tag: entry for tag, entry in sorted(self.tags.items()) if tag in tags}
        table, area = struct.pack(self.order + form.count, len(kept)), b""
        base = start + len(table) + len(kept) * form.entry_bytes + form.room
        for tag, entry in kept.items():
            inline = len(entry.payload) <= form.room
            value = entry.payload if inline else struct.pack(self.order + form.offset, base + len(area))
            table += struct.pack(self.order + form.entry, tag, entry.kind, entry.count) + value.ljust(form.room, b"\0")
            area += b"" if inline else entry.payload + b"\0" * (len(entry.payload) % 2)
        return table + bytes(form.room) + area


@dataclass(frozen=True)
class Form:
    """How one of the two kinds of TIFF writes: struct's signs for an offset, a count of tags and what a tag begins with."""

    offset: str
    count: str
    entry: str
    room: int  # bytes of an offset, and of a value in its place

    @property
    def entry_bytes(self) -> int:
        """The size of a tag in a directory."""
        return struct.calcsize("=" + self.entry) + self.room


FORMS = {False: Form("I", "H", "HHI", 4), True: Form("Q", "Q", "HHQ", 8)}


def read_main_directory(file: BinaryIO, tags: Collection[int]) -> Directory:
    """Reads these tags of the main directory, and counts the pages. ValueError where the directories are no intact chain.

    A tag whose value lies beyond the file, or for which MAX_BYTES leave no room, is left out.
    """
    order, big = MAGICS[file.read(4)]
    form = FORMS[big]
    offset = first = read_number(file, order + form.offset, 8 if big else 4)
    seen: set[int] = set()
    while offset and offset not in seen and len(seen) < MAX_PAGES:
        seen.add(offset)
        offset = read_number(file, order + form.offset, table_end(file, order, form, offset))
    if not first:
        raise ValueError("it has no directory")
    return Directory(order, big, read_tags(file, order, form, first, tags), len(seen))


def table_end(file: BinaryIO, order: str, form: Form, offset: int) -> int:
    """Returns where a directory's tags end."""
    count = read_number(file, order + form.count, offset)
    if not 0 < count <= MAX_TAGS:
        raise ValueError("a directory of it is no directory")
    return offset + struct.calcsize("=" + form.count) + count * form.entry_bytes


def read_tags(file: BinaryIO, order: str, form: Form, offset: int, wanted: Collection[int]) -> dict[int, TiffTag]:
    """Reads the intact ones of the wanted tags of a directory."""
    file_bytes = file.seek(0, 2)
    start = offset + struct.calcsize("=" + form.count)
    table = read_at(file, start, table_end(file, order, form, offset) - start)
    tags: dict[int, TiffTag] = {}
    room = MAX_BYTES
    for place in range(0, len(table), form.entry_bytes):
        tag, kind, count = struct.unpack_from(order + form.entry, table, place)
        size = UNIT_BYTES.get(kind, 0) * count
        value = table[place + form.entry_bytes - form.room : place + form.entry_bytes]
        where = None if size <= form.room else struct.unpack(order + form.offset, value)[0]
        if tag in wanted and 0 < size <= room and (where is None or where + size <= file_bytes):
            room -= size
            tags[tag] = TiffTag(kind, count, value[:size] if where is None else read_at(file, where, size))
    return tags


def read_number(file: BinaryIO, sign: str, offset: int) -> int:
    """Reads one number of a TIFF."""
    return int(struct.unpack(sign, read_at(file, offset, struct.calcsize(sign)))[0])


def read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    """Reads bytes at an offset. ValueError where the file ends before them."""
    if offset < 1 << 63:
        file.seek(offset)
        if len(part := file.read(size)) == size:
            return part
    raise ValueError("a directory of it lies beyond the file's end")
