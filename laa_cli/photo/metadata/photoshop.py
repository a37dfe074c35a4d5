"""Photoshop's image resources, which hold IPTC (captions, keywords) in JPEG and TIFF, and IPTC itself (IIM)."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

JPEG_PREFIX = b"Photoshop 3.0\0"
IPTC, COPYRIGHT_FLAG, URL, URL_LIST, IPTC_DIGEST = 0x0404, 0x040A, 0x040B, 0x041E, 0x0425
KEPT = {COPYRIGHT_FLAG, URL, URL_LIST, IPTC_DIGEST}
# Resolution, EXIF (twice) and XMP, which are kept elsewhere; IPTC is kept beside the resources.
KEPT_ELSEWHERE = {IPTC, 0x03ED, 0x0422, 0x0423, 0x0424}
THUMBNAILS = {0x0409, 0x040C}
CLIPPING_PATHS = range(2000, 3000)
SIGNATURES = (b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR")


@dataclass(frozen=True)
class Resources:
    """What is kept of Photoshop's resources: IPTC, the others as bytes, and the names of what was left out."""

    iptc: bytes = b""
    others: bytes = b""
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resource:
    """A resource: its number, its content, and all of its bytes."""

    number: int
    content: bytes
    raw: bytes


def clean_resources(block: bytes) -> Resources:
    """Reads the resources that an enlarged photo can keep."""
    found = list(read_resources(block))
    left_out = dict.fromkeys(name for resource in found if (name := label(resource.number)))
    if sum(len(resource.raw) for resource in found) < len(block.rstrip(b"\0")):
        left_out["damaged Photoshop resources"] = None
    iptc = next((resource.content for resource in found if resource.number == IPTC), b"")
    others = b"".join(resource.raw for resource in found if resource.number in KEPT)
    return Resources(iptc, others, tuple(left_out))


def label(number: int) -> str | None:
    """Returns what a resource that is left out is called."""
    if number in KEPT | KEPT_ELSEWHERE:
        return None
    if number in THUMBNAILS:
        return "thumbnail"
    return "clipping paths" if number in CLIPPING_PATHS else "Photoshop settings"


def read_resources(block: bytes) -> Iterator[Resource]:
    """Yields the intact resources at the beginning of a block."""
    place = 0
    while block[place : place + 4] in SIGNATURES and place + 7 <= len(block):
        number, name_size = struct.unpack_from(">HB", block, place + 4)
        at = place + 6 + (name_size + 2) // 2 * 2
        if at + 4 > len(block):
            return
        size = struct.unpack_from(">I", block, at)[0]
        end = at + 4 + size
        if end > len(block):
            return
        raw = block[place : end + size % 2]
        yield Resource(number, block[at + 4 : end], raw + b"\0" * (size % 2 - (len(raw) - end + place)))
        place = end + size % 2


def build_resource(number: int, content: bytes) -> bytes:
    """Builds a resource without a name."""
    return b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + content + b"\0" * (len(content) % 2)


def build_block(iptc: bytes | None, others: bytes | None) -> bytes:
    """Builds a block of resources, IPTC among them; empty where there are none."""
    return (build_resource(IPTC, iptc) if iptc else b"") + (others or b"")


def with_digest(others: bytes, before: bytes, after: bytes) -> bytes:
    """Returns resources whose digest of IPTC, if it held of the IPTC `before`, holds of the one `after`."""
    old, new = (hashlib.md5(iptc, usedforsecurity=False).digest() for iptc in (before, after))
    stale = build_resource(IPTC_DIGEST, old)
    return others.replace(stale, build_resource(IPTC_DIGEST, new) if after else b"")
