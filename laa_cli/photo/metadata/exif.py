"""Reads, cleans and writes EXIF: keeps, byte for byte, what still holds of an enlarged upright photo.

Pillow could rewrite EXIF too, but guesses the types anew and turns every letter beyond ASCII into "?".
"""

from __future__ import annotations

import struct

import numpy as np

from .credentials import CREDENTIALS, TIFF_TAG
from .ifd import MAX_BYTES, SHORT, Directory, Entry, first_offset, layout, next_offset, read_directory, serialize, subdirectory
from .regions import Move, move_subject

ORIENTATION, EXIF, GPS, INTEROP, MAKER_NOTE, USER_COMMENT = 0x0112, 0x8769, 0x8825, 0xA005, 0x927C, 0x9286
SUBDIRECTORY_TAGS = {EXIF, GPS, INTEROP}
XMP, IPTC, PHOTOSHOP, ICC = 700, 33723, 34377, 34675
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = RESOLUTION_TAGS = 282, 283, 296
# Document, description, maker, model, page, resolution, software, dates, artist, computer, rating, Windows' titles,
# copyright. The rest of the main directory describes how the pixels were stored.
KEPT_TAGS = {269, 270, 271, 272, 285, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096), *RESOLUTION_TAGS}
STALE_TAGS = {0xA002, 0xA003}  # the width and height before enlarging
SUBJECT_TAGS = {0x9214, 0xA214}  # area and location, in pixels
THUMBNAIL_TAGS = {0x0111, 0x0201}  # where a directory's picture is
# What else of the main directory a person would miss.
LEFT_OUT = {
    **dict.fromkeys((33550, 33922, 34264, 34735), "georeference"),
    330: "further pictures",
    37724: "Photoshop layers",
    50341: "print settings",
    TIFF_TAG: CREDENTIALS,
}


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


def main_directory(tiff: bytes) -> dict[int, Entry]:
    """Reads the main directory of an EXIF block or a TIFF file, however large its values are."""
    return read_directory(tiff, first_offset(tiff), max(MAX_BYTES, len(tiff)))


def resolution(tiff: bytes) -> tuple[float, float] | None:
    """Reads the resolution in dots per inch, None where there is none."""
    tags = read_directory(tiff, first_offset(tiff))
    x, y, unit = (tags.get(tag) for tag in RESOLUTION_TAGS)
    per_inch = {2: 1.0, 3: 2.54}.get(int.from_bytes(unit.payload, "little") if unit else 2)
    if per_inch is None or x is None or y is None or min(len(x.payload), len(y.payload)) < 8:
        return None
    (x_count, x_unit), (y_count, y_unit) = (struct.unpack_from("<II", entry.payload) for entry in (x, y))
    return (x_count / x_unit * per_inch, y_count / y_unit * per_inch) if x_unit and y_unit else None


def left_out(tiff: bytes) -> tuple[str, ...]:
    """Names what `clean` leaves out that a person would miss."""
    if not tiff:
        return ()
    main = read_directory(tiff, first_offset(tiff))
    if layout(tiff) is None or not main:
        return ("damaged EXIF",)
    thumbnail = THUMBNAIL_TAGS & read_directory(tiff, next_offset(tiff)).keys()
    labels = (label for tag, label in LEFT_OUT.items() if tag in main)
    return tuple(dict.fromkeys((*["thumbnail"] * bool(thumbnail), *labels)))


def move_subject_area(directory: Directory, move: Move) -> None:
    """Moves the subject's area and location, in place; those that are damaged or no longer fit are removed."""
    details = directory.get(EXIF)
    for tag in SUBJECT_TAGS & details.keys() if isinstance(details, dict) else ():
        assert isinstance(details, dict)
        entry = details.pop(tag)
        if isinstance(entry, Entry) and entry.kind == SHORT:
            moved = move_subject(np.frombuffer(entry.payload, "<u2").tolist(), move) if entry.count in (2, 3, 4) else []
            if moved and all(0 <= value <= 65535 for value in moved):
                details[tag] = Entry(SHORT, entry.count, struct.pack(f"<{entry.count}H", *moved))


def resize(block: bytes, move: Move) -> bytes | None:
    """Scales what an EXIF block says in pixels."""
    directory = clean(block)
    move_subject_area(directory, move)
    return to_bytes(directory)


def with_defaults(block: bytes | None, main: dict[int, Entry], details: dict[int, Entry]) -> bytes | None:
    """Adds entries to the main directory and to that of details (EXIF), where a block does not have them."""
    directory = clean(block) if block else {}
    inner = directory.get(EXIF)
    combined: Directory = {**details, **(inner if isinstance(inner, dict) else {})}
    return to_bytes({**main, **directory, **({EXIF: combined} if combined else {})})


def has_user_comment(block: bytes | None) -> bool:
    """Checks whether an EXIF block has a comment."""
    details = clean(block).get(EXIF) if block else None
    return isinstance(details, dict) and USER_COMMENT in details
