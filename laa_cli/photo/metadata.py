"""A photo's metadata: EXIF, ICC colour profile, resolution and XMP, cleaned of what no longer holds."""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass

from PIL import Image, ImageCms

from . import exif

# XMP's own copies of the size and orientation before enlarging, as attributes or as elements.
STALE_XMP = "|".join(
    ("tiff:Orientation", "tiff:ImageWidth", "tiff:ImageLength", "exif:PixelXDimension", "exif:PixelYDimension")
)
STALE_ATTRIBUTE = re.compile(rf"""\s(?:{STALE_XMP})\s*=\s*("[^"<]*"|'[^'<]*')""".encode())
STALE_ELEMENT = re.compile(rf"<({STALE_XMP})\s*>[^<]*</\1\s*>".encode())
XMP_ORIENTATION = re.compile(rb"""tiff:Orientation\s*(?:=\s*["']|>)\s*([1-8])""")
# XMP that refers to thumbnails, gain maps, videos or further blocks which the output does not contain.
FOREIGN_XMP = (b"Thumbnails", b"hdrgm:", b"Container:", b"GCamera:", b"HasExtendedXMP")


@dataclass(frozen=True)
class Metadata:
    """A photo's metadata; each is None where the photo has none.

    `exif`: a TIFF-structured block without orientation, size or thumbnail; `icc`: fits the photo's channels;
    `dpi`: dots per inch, horizontal and vertical; `xmp`: a UTF-8 packet.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None


def stored_exif(image: Image.Image, content: bytes) -> bytes:
    """Returns the file's EXIF block, empty where it has none or the block is damaged. A TIFF file is its own block."""
    if image.format == "TIFF":
        return content
    block = image.info.get("exif")
    if block is None and isinstance(text := image.info.get("Raw profile type exif"), str):
        try:
            block = bytes.fromhex("".join(text.split("\n")[3:]))  # how ImageMagick puts EXIF into PNG
        except ValueError:
            block = None
    return re.sub(rb"^(Exif\x00\x00){1,2}", b"", block) if isinstance(block, bytes) else b""


def stored_xmp(image: Image.Image) -> bytes:
    """Returns the file's XMP packet, empty where it has none."""
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    return packet.encode("utf-8", "replace") if isinstance(packet, str) else packet if isinstance(packet, bytes) else b""


def orientation(block: bytes, xmp: bytes) -> int:
    """Returns the orientation, 1-8, by EXIF or, where that has none, by XMP."""
    match = XMP_ORIENTATION.search(xmp)
    return exif.orientation(block) or (int(match[1]) if match else 1)


def clean_xmp(xmp: bytes) -> bytes | None:
    """Removes from an XMP packet what no longer holds of an upright, enlarged photo; None where all of it has to go."""
    if not xmp or any(word in xmp for word in FOREIGN_XMP):
        return None
    cleaned = STALE_ELEMENT.sub(b"", STALE_ATTRIBUTE.sub(b"", xmp))
    return None if XMP_ORIENTATION.search(cleaned) else cleaned


def clean_dpi(dpi: object) -> tuple[float, float] | None:
    """Returns Pillow's resolution, two numbers in dots per inch, or None where it is not a plausible one."""
    try:
        x, y = (round(float(value), 2) for value in dpi)  # type: ignore[attr-defined]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if all(math.isfinite(value) and 1 <= value <= 65535 for value in (x, y)) else None


def profile_space(icc: bytes | None) -> str | None:
    """Returns the colour space of an ICC profile: "RGB", "GRAY", "CMYK", "Lab"...; None of a damaged or missing profile."""
    if not icc:
        return None
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.xcolor_space.strip()
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def fitting_profile(icc: bytes | None, channels: int) -> bytes | None:
    """Returns the ICC profile if it describes pixels of that many channels, else None."""
    return icc if profile_space(icc) == ("GRAY" if channels <= 2 else "RGB") else None
