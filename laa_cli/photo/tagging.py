"""Adds face tags to a photo's file: its XMP is edited, and all else stays byte for byte, the pixels too."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL.ImageFile import ImageFile

from ..errors import LaaError
from .header import PhotoHeader, describe, open_photo
from .metadata import pixels_only, read_metadata
from .metadata.face_tags import Box, FaceTag, inside, overlap, read_face_tags
from .metadata.reading import Stored
from .metadata.region_writing import add_face_regions
from .metadata.regions import Move
from .metadata.xmp_cleaning import clean_xmp
from .metadata.xmp_containers import with_xmp
from .muting import mute_libraries

TAGGED_IOU = 0.4  # from which a found face is one that has a tag
KINDS = {"JPEG": "JPEG", "MPO": "JPEG", "PNG": "PNG", "WEBP": "WebP", "TIFF": "TIFF"}  # that can be tagged


def check_taggable(kind: str, name: str) -> None:
    """Raises LaaError where a file of that format ("JPEG"...) cannot be given tags."""
    if kind not in KINDS:
        supported = ", ".join(dict.fromkeys(KINDS.values()))
        raise LaaError(f"cannot add face tags to {name}: it is {kind}: the formats that can be tagged are {supported}")


def add_face_tags(content: bytes, boxes: Sequence[Box], name: str) -> tuple[bytes, int]:
    """Adds a tag without a name for each face that has none yet: the file's new content, and how many were added.

    `boxes`: in pixels of the upright picture, continuous; `content`: a file that `read_photo` has read. Raises LaaError, naming
    `name`, where its format has no place for tags, or its XMP is damaged.
    """
    header, stored = open_stored(content, name)
    check_taggable(header.kind, name)
    if stored.packet is None and stored.xmp.strip(b"\0 \r\n\t"):
        raise LaaError(f"cannot add face tags to {name}: its XMP is damaged: repair or remove that first")
    size = (header.width, header.height)
    move = Move(stored.orientation, size, size[::-1] if stored.orientation >= 5 else size)
    tags = read_face_tags(clean_xmp(stored.packet, move)[0], *move.new) if stored.packet else ()
    new = untagged([cut for box in boxes if (cut := inside(box, *move.new))], tags)
    if not new:
        return content, 0
    try:
        xmp = add_face_regions(stored.packet, new, move)
        return with_xmp(header.kind, content, xmp, size), len(new)
    except ValueError as error:
        raise LaaError(f"cannot add face tags to {name}: {error}: remove those tags first, or some of its XMP") from error


def open_stored(content: bytes, name: str) -> tuple[PhotoHeader, Stored]:
    """Reads a file's header and its metadata, as it is stored."""
    with mute_libraries():
        opened = open_photo(io.BytesIO(pixels_only(content)), name)
        header = describe(opened)
        info = opened.info if isinstance(opened, ImageFile) else {}
        return header, read_metadata(header.kind, content, info)


def untagged(boxes: Sequence[Box], tags: Sequence[FaceTag]) -> list[Box]:
    """Returns the boxes of faces that have no tag: none that overlaps, or whose middle is in it."""
    return [box for box in boxes if not any(is_tagged(box, tag.box_xyxy) for tag in tags)]


def is_tagged(box: Box, tag: Box) -> bool:
    """Whether a found face is the one that a tag is for."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return overlap(box, tag) >= TAGGED_IOU or (tag[0] <= x <= tag[2] and tag[1] <= y <= tag[3])
