"""Reads, cleans and writes EXIF: keeps, byte for byte, what still holds of an enlarged upright photo.

Pillow could rewrite EXIF too, but guesses the types anew and turns every letter beyond ASCII into "?".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

UNIT_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
SWAPPED_BYTES = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8}  # rationals are pairs of 4-byte numbers
LONG = 4

ORIENTATION, EXIF, GPS, INTEROP, MAKER_NOTE = 0x0112, 0x8769, 0x8825, 0xA005, 0x927C
SUBDIRECTORY_TAGS = {EXIF, GPS, INTEROP}
RESOLUTION_TAGS = {282, 283, 296}
# Description, maker, model, resolution, software, dates, artist, computer, rating, Windows' titles, copyright. The rest of
# the main directory describes how the pixels were stored.
KEPT_TAGS = {270, 271, 272, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096), *RESOLUTION_TAGS}
STALE_TAGS = {0xA002, 0xA003}  # the width and height before enlarging
MAX_BYTES = 4 << 20  # in all: a hostile file can claim the same bytes for thousands of tags


@dataclass(frozen=True)
class Entry:
    """A tag's value: its TIFF field type, the number of units and their bytes, little-endian."""

    kind: int
    count: int
    payload: bytes


Directory = dict[int, "Entry | Directory"]  # an image file directory (IFD) by tag


def orientation(tiff: bytes) -> int | None:
    """Reads the EXIF orientation, 1-8, or None where there is none."""
    entry = read_directory(tiff, first_offset(tiff)).get(ORIENTATION)
    value = int.from_bytes(entry.payload, "little") if entry else 0
    return value if 1 <= value <= 8 else None


def clean(tiff: bytes) -> Directory:
    """Reads the tags of an EXIF block or a TIFF file that an upright, enlarged copy can keep. Damaged tags are left out."""
    main = read_directory(tiff, first_offset(tiff))
    kept: Directory = {tag: entry for tag, entry in main.items() if tag in KEPT_TAGS}
    details = subdirectory(tiff, main.get(EXIF))
    kept_details: Directory = {tag: entry for tag, entry in details.items() if tag not in STALE_TAGS | SUBDIRECTORY_TAGS}
    if interop := subdirectory(tiff, details.get(INTEROP)):
        kept_details[INTEROP] = dict(interop)
    if kept_details:
        kept[EXIF] = kept_details
    if gps := subdirectory(tiff, main.get(GPS)):
        kept[GPS] = dict(gps)
    return kept


def to_bytes(directory: Directory) -> bytes | None:
    """Builds an EXIF block (without the "Exif" prefix of JPEG), or None of an empty directory."""
    return b"II*\0\x08\0\0\0" + serialize(directory, 8) if directory else None


def without_maker_note(block: bytes) -> bytes | None:
    """Removes the camera maker's private part from an EXIF block; it is mostly the largest."""
    directory = clean(block)
    details = directory.get(EXIF)
    if isinstance(details, dict):
        details.pop(MAKER_NOTE, None)
    return to_bytes(directory)


def byte_order(tiff: bytes) -> str | None:
    """Returns struct's sign for the block's byte order, or None of something else (BigTIFF among it)."""
    return {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])


def first_offset(tiff: bytes) -> int:
    """Returns the offset of the main directory (IFD0); beyond the end where there is none."""
    order = byte_order(tiff)
    return struct.unpack_from(f"{order}I", tiff, 4)[0] if order and len(tiff) >= 8 else len(tiff)


def subdirectory(tiff: bytes, pointer: Entry | None) -> dict[int, Entry]:
    """Reads the directory that an entry points to; empty where it points nowhere."""
    return read_directory(tiff, int.from_bytes(pointer.payload[:4], "little")) if pointer else {}


def read_directory(tiff: bytes, offset: int) -> dict[int, Entry]:
    """Reads the intact entries of one directory."""
    order = byte_order(tiff)
    entries: dict[int, Entry] = {}
    if order is None or offset + 2 > len(tiff):
        return entries
    total = 0
    for start in range(offset + 2, offset + 2 + 12 * struct.unpack_from(f"{order}H", tiff, offset)[0], 12):
        if start + 12 > len(tiff):
            break
        tag, kind, count = struct.unpack_from(f"{order}HHI", tiff, start)
        size = UNIT_BYTES.get(kind, 0) * count
        place = start + 8 if size <= 4 else struct.unpack_from(f"{order}I", tiff, start + 8)[0]
        total += size if place + size <= len(tiff) else 0
        if 0 < size <= len(tiff) - place and total <= MAX_BYTES:
            entries[tag] = Entry(kind, count, little_endian(tiff[place : place + size], kind, order))
        elif total > MAX_BYTES:
            total -= size
    return entries


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
