"""JPEG's segments: reads those that hold metadata, names what comes after the picture, and inserts segments."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from .credentials import CREDENTIALS, JUMBF_MARK, JUMBF_PREFIX
from .extended_xmp import MAIN_PREFIX as XMP_PREFIX
from .extended_xmp import PREFIX as EXTENDED_XMP_PREFIX
from .photoshop import JPEG_PREFIX as PHOTOSHOP_PREFIX

SOI, EOI, SOS, COM, APP0, APP1, APP2, APP11 = 0xD8, 0xD9, 0xDA, 0xFE, 0xE0, 0xE1, 0xE2, 0xEB
APP13, APP14, APP15 = 0xED, 0xEE, 0xEF
EXIF_PREFIX, ICC_PREFIX, MPF_PREFIX = b"Exif\0\0", b"ICC_PROFILE\0", b"MPF\0"
MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")  # in a scan: neither an escaped 0xFF, nor a restart, nor fill bytes
GAIN_MAP_MARKS = (b"hdrgainmap", b"HDRGainMap", b"hdr-gain-map", b"iso:ts:21496")
VIDEO_MARK = b"ftyp"  # how a video of the MPEG-4 family begins, after 4 bytes
MAX_MARKERS = 10_000  # of scans and their tables
IDENTIFIER = re.compile(rb"[A-Za-z0-9 ._:/-]{1,20}")


@dataclass
class JpegMetadata:
    """What the segments of a JPEG file say beside its pixels; `left_out`: the names of what nothing else is made of."""

    icc: bytes | None = None
    exif: bytes = b""
    xmp: bytes = b""
    extended_xmp: list[bytes] = field(default_factory=list)
    photoshop: bytes = b""
    dpi: tuple[float, float] | None = None
    comments: list[bytes] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def read_segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Yields the marker of each segment before the pixels, and where it begins and ends; the scan ends them."""
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
            continue
        end = place + 2 + struct.unpack_from(">H", content, place + 2)[0]
        if marker == SOS or end > len(content) or end < place + 4:
            return
        yield marker, place, end
        place = end


def is_metadata(marker: int) -> bool:
    """Whether a segment is an application's or a comment: nothing that decoding the pixels needs."""
    return (APP0 < marker <= APP15 and marker != APP14) or marker == COM


def pixels_only(content: bytes) -> bytes:
    """Returns a JPEG file without the segments that decoding the pixels does not look at: damage in them costs nothing."""
    parts, place = [], 0
    for marker, start, end in read_segments(content):
        profile = marker == APP2 and content.startswith(ICC_PREFIX, start + 4) and end - start > 18  # CMYK is converted by it
        short_jfif = marker == APP0 and end - start < 18
        if short_jfif or (is_metadata(marker) and not profile):
            parts.append(content[place:start])
            place = end
    return b"".join([*parts, content[place:]]) if place else content


def read_jpeg(content: bytes) -> JpegMetadata:
    """Reads a JPEG file's metadata."""
    found, profile, last = JpegMetadata(), [], 2
    pictures = False
    boxes: dict[bytes, bytes] = {}  # JUMBF by its number: what is too long for a segment goes on in the next
    for marker, start, end in read_segments(content):
        body, last = content[start + 4 : end], end
        if marker == APP0:
            read_app0(body, found)
        elif marker == APP2 and body.startswith(ICC_PREFIX):
            profile.append(body[len(ICC_PREFIX) :])
        elif marker == APP2 and body.startswith(MPF_PREFIX):
            pictures = True
        elif marker == APP11 and body.startswith(JUMBF_PREFIX):
            boxes.setdefault(body[2:4], body)
        elif is_metadata(marker):
            read_segment(marker, body, found)
    found.icc = join_profile(profile)
    if profile and found.icc is None:
        found.left_out.append("damaged colour profile")
    found.left_out += [segment_label(APP11, body) for body in boxes.values()]
    found.left_out += trailer_labels(content[picture_end(content, last) :], pictures)
    return found


def read_app0(body: bytes, found: JpegMetadata) -> None:
    """Reads the resolution of JFIF, dots per inch."""
    if body.startswith(b"JFIF\0") and len(body) >= 14:
        unit, x, y = struct.unpack_from(">BHH", body, 7)
        found.dpi = {1: (float(x), float(y)), 2: (x * 2.54, y * 2.54)}.get(unit)
    if body.startswith(b"JFXX\0") or len(body) > 14:
        found.left_out.append("thumbnail")


def read_segment(marker: int, body: bytes, found: JpegMetadata) -> None:
    """Reads one segment of metadata."""
    if marker == COM:
        found.comments.append(body)
    elif marker == APP1 and body.startswith(EXIF_PREFIX):
        found.exif += body[len(EXIF_PREFIX) :]  # one that is too long for a segment goes on in the next
    elif marker == APP1 and body.startswith(XMP_PREFIX):
        found.xmp = body[len(XMP_PREFIX) :]
    elif marker == APP1 and body.startswith(EXTENDED_XMP_PREFIX):
        found.extended_xmp.append(body[len(EXTENDED_XMP_PREFIX) :])
    elif marker == APP13 and body.startswith(PHOTOSHOP_PREFIX):
        found.photoshop += body[len(PHOTOSHOP_PREFIX) :]
    else:
        found.left_out.append(segment_label(marker, body))


def segment_label(marker: int, body: bytes) -> str:
    """Returns what a segment that is left out is called."""
    if any(mark in body[:64] for mark in GAIN_MAP_MARKS):
        return "gain map"
    if marker == APP11 and JUMBF_MARK in body:
        return CREDENTIALS
    name = IDENTIFIER.match(body)
    return f"APP{marker - APP0} {name[0].decode().strip() if name else ''}".strip()


def join_profile(parts: list[bytes]) -> bytes | None:
    """Joins the parts of an ICC profile, each after its number and their count; None where one is missing."""
    parts = sorted(part for part in parts if len(part) > 2)
    complete = bool(parts) and [part[0] for part in parts] == list(range(1, parts[0][1] + 1))
    return b"".join(part[2:] for part in parts) if complete else None


def picture_end(content: bytes, start: int) -> int:
    """Finds where the picture ends (EOI); the end of the file where it does not. `start`: of its first scan, or before."""
    place = start
    for _ in range(MAX_MARKERS):
        match = MARKER.search(content, place)
        if match is None or match.end() + 2 > len(content):
            return match.end() if match and match[1][0] == EOI else len(content)
        if match[1][0] == EOI:
            return match.end()
        place = match.end() + struct.unpack_from(">H", content, match.end())[0]
    return len(content)


def trailer_labels(trailer: bytes, pictures: bool) -> list[str]:
    """Names what comes after the picture. `pictures`: whether the file says that there are more of them (MPF)."""
    labels = []
    if any(mark in trailer for mark in GAIN_MAP_MARKS):
        labels.append("gain map")
    if VIDEO_MARK in trailer:
        labels.append("motion video")
    if not labels and trailer.strip(b"\0\xff\r\n\t "):
        labels.append("further pictures" if pictures or trailer.startswith(b"\xff\xd8\xff") else "data after the picture")
    return labels


def build_segment(marker: int, body: bytes) -> bytes:
    """Builds a segment."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def insert_segments(jpeg: bytes, segments: list[tuple[int, bytes]]) -> bytes:
    """Inserts segments (marker, content) after the first ones of an intact JPEG file, those of applications."""
    place = 2
    for marker, _, end in read_segments(jpeg):
        if not APP0 <= marker <= APP15:
            break
        place = end
    added = (build_segment(marker, body) for marker, body in segments)
    return b"".join([jpeg[:place], *added, jpeg[place:]]) if segments else jpeg
