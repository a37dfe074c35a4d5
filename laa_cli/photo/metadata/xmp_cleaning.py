"""Cleans XMP of what no longer holds of an upright, enlarged photo, property by property; all else stays byte for byte."""

from __future__ import annotations

import re

from .regions import NAMESPACES, Move, Size, move_regions
from .xmp import (
    CONTAINER,
    EXIF,
    GOOGLE_CAMERA,
    HDR_GAIN_MAP,
    NOTE,
    TIFF,
    XMP,
    Packet,
    Property,
    XmpError,
    apply_edits,
    normalize,
    removal,
)

GOOGLE = "http://ns.google.com/photos/"
OPPO_CAMERA = "http://ns.oplus.com/photos/1.0/camera/"
GAIN_MAP, MOTION, DEPTH, THUMBNAIL = "gain map", "motion video", "depth map", "thumbnail"
# XMP's own copies of the size and orientation before enlarging; EXIF's are left out as well.
STALE = {
    *((TIFF, name) for name in ("Orientation", "ImageWidth", "ImageLength")),
    *((EXIF, name) for name in ("PixelXDimension", "PixelYDimension")),
}
# What readers that search a packet's text, as Pillow does, would turn the picture by, wherever it stands.
ORIENTATION_TEXT = re.compile(
    rb"""\stiff:Orientation\s*=\s*(?:"[^"<]*"|'[^'<]*')|<tiff:Orientation\s*>[^<]*</tiff:Orientation\s*>"""
)
# Namespaces and properties that speak of pictures and videos which the output does not contain.
FOREIGN_NAMESPACES = {
    HDR_GAIN_MAP: GAIN_MAP,
    "http://ns.apple.com/HDRGainMap/1.0/": GAIN_MAP,
    f"{GOOGLE}1.0/depthmap/": DEPTH,
    f"{GOOGLE}1.0/image/": "embedded picture",
    f"{GOOGLE}dd/1.0/device/": DEPTH,
}
FOREIGN = {(XMP, "Thumbnails"): THUMBNAIL, (NOTE, "HasExtendedXMP"): "incomplete extended XMP"}
MOTION_NAMES = ("MotionPhoto", "MicroVideo", "OLivePhoto", "VideoLength")  # how names begin in the cameras' namespaces
DIRECTORY_ITEMS = {b"GainMap": GAIN_MAP, b"MotionPhoto": MOTION, b"Depth": DEPTH}
HANDLED = (TIFF, EXIF, XMP, NOTE, CONTAINER, GOOGLE_CAMERA, OPPO_CAMERA, *FOREIGN_NAMESPACES, *NAMESPACES)


def parse(packet: bytes) -> Packet | None:
    """Parses a packet; None of one that is damaged, which `clean_xmp` will say."""
    try:
        return Packet(normalize(packet), HANDLED)
    except XmpError:
        return None


def xmp_orientation(packet: Packet) -> int | None:
    """Reads the orientation, 1-8, or None where there is none."""
    for found in packet.properties():
        if found.name == (TIFF, "Orientation") and found.value.text.strip() in tuple("12345678"):
            return int(found.value.text)
    return None


def clean_xmp(packet: Packet, move: Move) -> tuple[bytes, tuple[str, ...]]:
    """Cleans a packet and moves its regions: the bytes, and the names of what was left out."""
    edits, left_out = move_regions(packet, move)
    for found in packet.properties():
        labels = foreign_labels(found, packet.content)
        if labels or found.name in STALE:
            edits.append(removal(found))
            left_out += labels
    return ORIENTATION_TEXT.sub(b"", apply_edits(packet.content, edits)), tuple(dict.fromkeys(left_out))


def foreign_labels(found: Property, content: bytes) -> list[str]:
    """Returns the names of what a property speaks of, if the output does not contain it."""
    namespace, name = found.name
    if label := FOREIGN_NAMESPACES.get(namespace) or FOREIGN.get(found.name):
        return [label]
    if namespace in (GOOGLE_CAMERA, OPPO_CAMERA) and name.startswith(MOTION_NAMES):
        return [MOTION]
    if namespace == CONTAINER and name == "Directory":
        inside = content[found.start : found.end]
        return [label for word, label in DIRECTORY_ITEMS.items() if word in inside] or ["further pictures"]
    return []


def resize_xmp(xmp: bytes, old: Size, new: Size) -> bytes:
    """Scales what a cleaned packet says in pixels, from a picture of size `old` to one of size `new`."""
    packet = parse(xmp)
    return apply_edits(packet.content, move_regions(packet, Move(1, old, new))[0]) if packet else xmp
