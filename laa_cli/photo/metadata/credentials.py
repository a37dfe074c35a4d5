"""Finds C2PA's content credentials in a photo's file: they are bound to its very bytes, and hold of no other picture."""

from __future__ import annotations

import struct

from .avif_boxes import read_boxes

CREDENTIALS = "content credentials (C2PA), which hold of the unchanged photo only"
TIFF_TAG = 0xCD41
PNG_CHUNK = b"caBX"
JUMBF_PREFIX = b"JP"  # of JPEG's segments, APP11
JUMBF_MARK = b"c2pa"  # the name of the box of boxes, in a JPEG's first segment of them
WEBP_CHUNK, AVIF_USER_BOX = b"C2PA", bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
GIF_EXTENSION = b"!\xff\x0bC2PA_GIF\x01\0\0"


def has_credentials(kind: str, content: bytes) -> bool:
    """Checks whether a WebP, AVIF or GIF file has content credentials; the readers of other formats come across them."""
    if kind == "WEBP":
        return any(name == WEBP_CHUNK for name in webp_chunks(content))
    if kind == "AVIF":
        boxes = (box for box in read_boxes(content) if box.kind == b"uuid")
        return any(content.startswith(AVIF_USER_BOX, box.start) for box in boxes)
    return kind == "GIF" and GIF_EXTENSION in content


def webp_chunks(content: bytes) -> list[bytes]:
    """Lists the names of a WebP file's chunks, up to its end or where it is damaged."""
    names, place = [], 12
    while place + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, place)
        names.append(name)
        place += 8 + size + size % 2
    return names
