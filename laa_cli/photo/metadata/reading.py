"""Reads a photo's metadata from its file, and keeps what still holds of the upright pixels."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import exif
from .avif_boxes import left_out_of, read_nclx
from .color_signals import Signals, from_nclx
from .credentials import CREDENTIALS, has_credentials
from .extended_xmp import join_extended
from .fields import Metadata
from .icc import fitting_profile, profile_space
from .iptc import clean_iptc, from_tiff_longs
from .jpeg_segments import pixels_only as jpeg_pixels_only
from .jpeg_segments import read_jpeg
from .photoshop import clean_resources, with_digest
from .png_chunks import SIGNATURE as PNG_SIGNATURE
from .png_chunks import Chunk, read_png
from .png_chunks import pixels_only as png_pixels_only
from .regions import Move
from .xmp import Packet
from .xmp_cleaning import clean_xmp, parse, xmp_orientation

GIF_XMP = re.compile(rb"!\xff\x0bXMP DataXMP(.*?)\x01\xff\xfe\xfd", re.DOTALL)
JPEG_WITHOUT_RESOLUTION = (72.0, 72.0)  # what is meant by EXIF without one


@dataclass
class Stored:
    """A file's metadata as it is stored: of the pixels before they were made upright. `exif`: a TIFF file is its own block."""

    exif: bytes = b""
    icc: bytes | None = None
    dpi: object = None
    xmp: bytes = b""
    color: Signals = field(default_factory=Signals)
    iptc: bytes = b""
    photoshop: bytes = b""
    comments: list[bytes] = field(default_factory=list)
    text: list[Chunk] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    packet: Packet | None = None  # the XMP, parsed

    @property
    def orientation(self) -> int:
        """The orientation, 1-8, by EXIF or, where that has none, by XMP."""
        return exif.orientation(self.exif) or (self.packet and xmp_orientation(self.packet)) or 1


def pixels_only(content: bytes) -> bytes:
    """Returns a JPEG or PNG file without its metadata, so that no damage in it keeps its pixels from being decoded.

    What the pixels are decoded by stays: transparency, frames, a profile of CMYK. Other files come back as they are.
    """
    if content.startswith(b"\xff\xd8"):
        return jpeg_pixels_only(content)
    return png_pixels_only(content) if content.startswith(PNG_SIGNATURE) else content


def read_metadata(kind: str, content: bytes, info: Mapping[Any, object]) -> Stored:
    """Reads the metadata of a file. `kind`: "JPEG", "PNG", "TIFF"...; `info`: what Pillow found in formats other than these.

    Damage in it is named in `left_out`; nothing is raised.
    """
    readers = {"JPEG": from_jpeg, "MPO": from_jpeg, "PNG": from_png, "TIFF": from_tiff}
    stored = readers[kind](content) if kind in readers else from_pillow(kind, content, info)
    stored.packet = stored.packet or (parse(stored.xmp) if stored.xmp.strip() else None)
    return stored


def from_jpeg(content: bytes) -> Stored:
    """Reads a JPEG file's metadata, extended XMP put together."""
    found = read_jpeg(content)
    packet = parse(found.xmp) if found.xmp else None
    joined = join_extended(packet, found.extended_xmp) if packet else None
    dpi = found.dpi or (exif.resolution(found.exif) or JPEG_WITHOUT_RESOLUTION if found.exif else None)
    return Stored(
        exif=found.exif, icc=found.icc, dpi=dpi, xmp=joined or found.xmp, photoshop=found.photoshop,
        comments=found.comments, left_out=found.left_out, packet=None if joined else packet,
    )  # fmt: skip


def from_png(content: bytes) -> Stored:
    """Reads a PNG file's metadata."""
    found = read_png(content)
    block = re.sub(rb"^(Exif\x00\x00){1,2}", b"", found.exif)
    is_iptc = found.photoshop[:1] == b"\x1c"
    return Stored(
        exif=block, icc=found.icc, dpi=found.dpi, xmp=found.xmp, color=Signals(tuple(found.color)),
        iptc=found.photoshop if is_iptc else b"", photoshop=b"" if is_iptc else found.photoshop,
        text=found.text, left_out=found.left_out,
    )  # fmt: skip


def from_tiff(content: bytes) -> Stored:
    """Reads a TIFF file's metadata."""
    tags = exif.main_directory(content)
    payloads = {tag: entry.payload for tag, entry in tags.items()}
    return Stored(
        exif=content, icc=payloads.get(exif.ICC), dpi=exif.resolution(content), xmp=payloads.get(exif.XMP, b""),
        iptc=from_tiff_longs(payloads.get(exif.IPTC, b"")), photoshop=payloads.get(exif.PHOTOSHOP, b""),
    )  # fmt: skip


def from_pillow(kind: str, content: bytes, info: Mapping[Any, object]) -> Stored:
    """Takes the metadata of WebP, AVIF, GIF and BMP files from what Pillow found, and the rest from the file."""
    block, icc, packet, comment = (bytes_of(info.get(name)) for name in ("exif", "icc_profile", "xmp", "comment"))
    stored = Stored(exif=re.sub(rb"^(Exif\x00\x00){1,2}", b"", block), icc=icc or None, dpi=info.get("dpi"), xmp=packet)
    if kind == "AVIF":
        stored.color = Signals() if icc else from_nclx(read_nclx(content))
        stored.left_out = left_out_of(content)
    elif kind == "GIF":
        stored.comments = [comment] if comment else []
        match = GIF_XMP.search(content)
        stored.xmp = match[1] if match else b""
    stored.left_out += [CREDENTIALS] * has_credentials(kind, content)
    return stored


def bytes_of(value: object) -> bytes:
    """Returns text or bytes as bytes, and nothing of anything else."""
    return value.encode("utf-8", "replace") if isinstance(value, str) else value if isinstance(value, bytes) else b""


# What still holds


def upright(stored: Stored, width: int, height: int, channels: int, *, converted: bool = False) -> Metadata:
    """Keeps what still holds of upright pixels of that size. `converted`: to sRGB, as CMYK is, so that no profile holds."""
    size = (width, height)
    move = Move(stored.orientation, size[::-1] if stored.orientation >= 5 else size, size)
    directory, exif_left_out = exif.clean(stored.exif), exif.left_out(stored.exif)
    exif.move_subject_area(directory, move)
    icc = None if converted else fitting_profile(stored.icc, channels)
    if stored.icc and not icc and not converted:
        stored.left_out.append("colour profile" if profile_space(stored.icc) else "damaged colour profile")
    metadata = Metadata(
        exif=exif.to_bytes(directory), icc=icc, dpi=clean_dpi(stored.dpi), color=stored.color,
        comments=tuple(stored.comments), text=tuple(stored.text), left_out=tuple(stored.left_out),
    )  # fmt: skip
    return with_iptc(with_xmp(metadata.without(*exif_left_out), stored, move), stored)


def with_xmp(metadata: Metadata, stored: Stored, move: Move) -> Metadata:
    """Adds what still holds of the XMP."""
    if stored.packet is None:
        return metadata.without(*["damaged XMP"] * bool(stored.xmp.strip(b"\0 \r\n\t")))
    xmp, left_out = clean_xmp(stored.packet, move)
    return metadata.without(*left_out, xmp=xmp)


def with_iptc(metadata: Metadata, stored: Stored) -> Metadata:
    """Adds what still holds of Photoshop's resources and of IPTC."""
    resources = clean_resources(stored.photoshop)
    before = stored.iptc or resources.iptc
    iptc, left_out = clean_iptc(before)
    others = with_digest(resources.others, before, iptc) if iptc != before else resources.others
    return metadata.without(*resources.left_out, *left_out, iptc=iptc or None, photoshop=others or None)


def clean_dpi(dpi: object) -> tuple[float, float] | None:
    """Returns a resolution, two numbers in dots per inch, or None where it is not a plausible one."""
    try:
        x, y = (round(float(value), 2) for value in dpi)  # type: ignore[attr-defined]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if all(math.isfinite(value) and 1 <= value <= 65535 for value in (x, y)) else None
