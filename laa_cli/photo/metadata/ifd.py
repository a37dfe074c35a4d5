"""TIFF's image file directories (IFD), which EXIF has too: reads and writes tags with their values."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# TIFF field types; the last three are BigTIFF's, rationals are pairs of 4-byte numbers
UNIT_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 16: 8, 17: 8, 18: 8}
SWAPPED_BYTES = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 16: 8, 17: 8, 18: 8}
BYTE, ASCII, SHORT, LONG, UNDEFINED = 1, 2, 3, 4, 7
MAX_BYTES = 4 << 20  # in all: a hostile file can claim the same bytes for thousands of tags
MAX_ENTRIES = 65535  # what classic TIFF can count


@dataclass(frozen=True)
class Entry:
    """A tag's value: its TIFF field type, the number of units and their bytes, little-endian."""

    kind: int
    count: int
    payload: bytes


Directory = dict[int, "Entry | Directory"]  # an image file directory (IFD) by tag


@dataclass(frozen=True)
class IfdLayout:
    """How a TIFF structure is laid out: struct's sign for the byte order, and those of offsets, counts, and table sizes."""

    order: str
    offset: str
    entries: str

    @property
    def table(self) -> struct.Struct:
        """An entry without its value: tag, type, count."""
        return struct.Struct(f"{self.order}HH{self.offset}")

    def number(self, sign: str, tiff: bytes, place: int) -> int:
        """Reads one number; beyond the end of the file where there is none."""
        size = struct.calcsize(sign)
        return struct.unpack_from(self.order + sign, tiff, place)[0] if 0 <= place <= len(tiff) - size else len(tiff)


def layout(tiff: bytes) -> IfdLayout | None:
    """Returns the layout of a block, or None of something else."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    version = int.from_bytes(tiff[2:4], "little" if order == "<" else "big")
    signs = {42: ("I", "H"), 43: ("Q", "Q")}.get(version)
    return IfdLayout(order, *signs) if order and signs else None


def first_offset(tiff: bytes) -> int:
    """Returns the offset of the main directory (IFD0); beyond the end where there is none."""
    format_ = layout(tiff)
    return format_.number(format_.offset, tiff, 4 if format_.offset == "I" else 8) if format_ else len(tiff)


def next_offset(tiff: bytes) -> int:
    """Returns the offset of the directory after the main one; beyond the end where there is none."""
    format_, start = layout(tiff), first_offset(tiff)
    if format_ is None or start >= len(tiff):
        return len(tiff)
    room = struct.calcsize(format_.offset)
    count = format_.number(format_.entries, tiff, start)
    place = start + struct.calcsize(format_.entries) + count * (format_.table.size + room)
    return format_.number(format_.offset, tiff, place) or len(tiff)


def subdirectory(tiff: bytes, pointer: Entry | None) -> dict[int, Entry]:
    """Reads the directory that an entry points to; empty where it points nowhere."""
    return read_directory(tiff, int.from_bytes(pointer.payload[:8], "little")) if pointer else {}


def read_directory(tiff: bytes, offset: int, max_bytes: int = MAX_BYTES) -> dict[int, Entry]:
    """Reads the intact entries of one directory, of `max_bytes` together at most."""
    format_ = layout(tiff)
    entries: dict[int, Entry] = {}
    total = 0
    if format_ is None:
        return entries
    for tag, kind, count, place, size in read_table(tiff, offset, format_):
        if 0 < size <= len(tiff) - place and total + size <= max_bytes:
            total += size
            entries[tag] = Entry(kind, count, little_endian(tiff[place : place + size], kind, format_.order))
    return entries


def read_table(tiff: bytes, offset: int, format_: IfdLayout) -> Iterator[tuple[int, int, int, int, int]]:
    """Yields tag, type and count of each entry of a directory, and place and size of its value in bytes."""
    room, table = struct.calcsize(format_.offset), format_.table
    start = offset + struct.calcsize(format_.entries)
    if start > len(tiff):
        return
    for _ in range(min(format_.number(format_.entries, tiff, offset), MAX_ENTRIES)):
        if start + table.size + room > len(tiff):
            return
        tag, kind, count = table.unpack_from(tiff, start)
        size, place = UNIT_BYTES.get(kind, 0) * count, start + table.size
        yield tag, kind, count, place if size <= room else format_.number(format_.offset, tiff, place), size
        start += table.size + room


def little_endian(payload: bytes, kind: int, order: str) -> bytes:
    """Converts a payload's numbers to little-endian order."""
    unit = SWAPPED_BYTES.get(kind)
    return payload if order == "<" or unit is None else np.frombuffer(payload, f">u{unit}").byteswap().tobytes()


def serialize(directory: Directory, start: int, *, big: bool = False) -> bytes:
    """Serializes a directory with its values, to lie `start` bytes into a little-endian TIFF (`big`: BigTIFF)."""
    room, number, header = (8, "Q", "<HHQ") if big else (4, "I", "<HHI")
    table = bytearray(struct.pack("<Q" if big else "<H", len(directory)))
    area = bytearray()
    base = start + len(table) + len(directory) * (struct.calcsize(header) + room) + room
    for tag, entry in sorted(directory.items()):
        if isinstance(entry, dict):
            where = base + len(area)
            area += serialize(entry, where, big=big)
            table += struct.pack(header, tag, LONG, 1) + struct.pack("<I", where).ljust(room, b"\0")
        else:
            inline = len(entry.payload) <= room
            value = entry.payload.ljust(room, b"\0") if inline else struct.pack(f"<{number}", base + len(area))
            table += struct.pack(header, tag, entry.kind, entry.count) + value
            area += b"" if inline else entry.payload
        area += b"\0" * (len(area) % 2)
    return bytes(table) + bytes(room) + bytes(area)  # `room` zero bytes: no further directory
