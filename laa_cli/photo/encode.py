"""Encodes pixels and metadata as a JPEG, PNG, WebP, TIFF, BMP or AVIF file."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import LaaError, OutOfMemoryError, UsageError
from . import joined_strips
from .metadata import Metadata, fit_metadata
from .metadata.avif_boxes import with_nclx
from .metadata.extended_xmp import split_extended
from .metadata.jpeg_segments import APP1, APP13, COM, insert_segments
from .metadata.photoshop import JPEG_PREFIX as PHOTOSHOP_PREFIX
from .metadata.photoshop import build_block
from .pixels import Pixels, blend_on_white, gray_to_color, to_8bit
from .png_encoding import png
from .tiff_encoding import tiff

FORMAT_OF_SUFFIX = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".avif": "AVIF",
}
QUALITY: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"quality": 95, "method": 4},
    "AVIF": {"quality": 90, "speed": 6},
}
PHOTOSHOP_BYTES = 65533 - len(PHOTOSHOP_PREFIX)  # of what a JPEG segment can hold


@dataclass(frozen=True)
class SizeLimit:
    """A format's longest side and largest area, in pixels."""

    side_px: int = (1 << 31) - 1
    area_px: int = 1 << 62


LIMITS = {
    "JPEG": SizeLimit(65500),  # libjpeg's; the format itself would allow 65535
    "PNG": SizeLimit(),
    "WEBP": SizeLimit(16383),
    "TIFF": SizeLimit(),
    "BMP": SizeLimit(area_px=(1 << 32) // 4),  # the file's size is a 32-bit number
    "AVIF": SizeLimit(32768, 16384 * 16384),  # what libavif, and so browsers, agree to open
}


def check_output(suffix: str, width: int, height: int, name: str) -> None:
    """Raises UsageError on a suffix (".jpg") that laa does not write, LaaError where its format cannot hold so many pixels."""
    kind = FORMAT_OF_SUFFIX.get(suffix.lower())
    if kind is None:
        supported = ", ".join(sorted(FORMAT_OF_SUFFIX))
        raise UsageError(f"cannot write {name}: {suffix or 'no suffix'} is not a format laa writes: use {supported}")
    limit = LIMITS[kind]
    if max(width, height) > limit.side_px:
        reason = f"{kind} allows at most {limit.side_px} pixels a side"
    elif width * height > limit.area_px:
        reason = f"{kind} allows at most {limit.area_px} pixels"
    else:
        return
    raise LaaError(f"cannot write {name}: it would be {width}x{height}, but {reason}: choose .png or .tif")


def encode(pixels: Pixels, metadata: Metadata, suffix: str, name: str) -> bytes:
    """Encodes a photo as a file's content. `pixels`: (h, w, 1-4) uint8 or uint16; `metadata` holds of them. Raises LaaError."""
    check_output(suffix, pixels.shape[1], pixels.shape[0], name)
    kind = FORMAT_OF_SUFFIX[suffix.lower()]
    try:
        fitted = fit_metadata(metadata, kind, channels_in(kind, pixels))
        if kind == "TIFF":
            return tiff(convert_for_format(kind, pixels), fitted)
        if kind == "PNG":
            return png(pixels, fitted)
        return with_further_metadata(kind, encode_with_pillow(kind, pixels, fitted), fitted)
    except MemoryError as error:
        raise OutOfMemoryError(f"not enough memory to write {name}: choose a smaller scale") from error
    except (OSError, ValueError, RuntimeError, OverflowError, struct.error) as error:
        raise LaaError(f"cannot write {name}: {error}: choose another format") from error


def encode_thumbnail(rgb: NDArray[np.uint8]) -> bytes:
    """Encodes (h, w, 3) uint8 RGB as a JPEG for a web page: small rather than exact, without metadata."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=82, optimize=True)
    return buffer.getvalue()


def left_out(pixels: Pixels, metadata: Metadata, suffix: str) -> tuple[str, ...]:
    """Names what a file with that suffix will not have of a photo's metadata, with what was left out before."""
    kind = FORMAT_OF_SUFFIX[suffix.lower()]
    return fit_metadata(metadata, kind, channels_in(kind, pixels)).left_out


def channels_in(kind: str, pixels: Pixels) -> int:
    """Returns how many channels pixels (h, w, c) have in that format."""
    return convert_for_format(kind, pixels[:1, :1]).shape[2]


def convert_for_format(kind: str, pixels: Pixels) -> Pixels:
    """Converts pixels (h, w, c) to what the format holds: 8 bits (not PNG, TIFF), no alpha (JPEG, BMP), no grey (WebP)."""
    if kind == "PNG":
        return pixels
    if kind == "TIFF":  # hardly any reader takes 16-bit grey with alpha
        return gray_to_color(pixels) if pixels.dtype == np.uint16 and pixels.shape[2] == 2 else pixels
    pixels = to_8bit(pixels)
    if kind in ("JPEG", "BMP"):
        return blend_on_white(pixels)
    if kind == "WEBP" or (kind == "AVIF" and pixels.shape[2] == 2):
        return gray_to_color(pixels)
    return pixels


def encode_with_pillow(kind: str, pixels: Pixels, metadata: Metadata) -> bytes:
    """Encodes pixels (h, w, c) of any depth in an 8-bit format with Pillow."""
    quality = QUALITY.get(kind, {})
    options = {key: value for key, value in metadata_options(kind, metadata).items() if value}
    convert = partial(convert_for_format, kind)
    if kind == "AVIF":
        options["subsampling"] = "4:0:0" if channels_in(kind, pixels) == 1 else "4:4:4"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "JPEG":
            return joined_strips.jpeg(pixels, convert, quality, options)
        if kind == "BMP":
            return joined_strips.bmp(pixels, convert, options)
        return joined_strips.save(kind, convert(pixels), quality | options)


def metadata_options(kind: str, metadata: Metadata) -> dict[str, Any]:
    """Returns Pillow's arguments for the metadata that the format can hold."""
    if kind == "BMP":
        return {"dpi": metadata.dpi}
    options: dict[str, Any] = {"icc_profile": metadata.icc, "dpi": metadata.dpi, "exif": metadata.exif, "xmp": metadata.xmp}
    if kind == "JPEG":
        options["exif"] = b"Exif\0\0" + metadata.exif if metadata.exif else None
        options["xmp"] = split_xmp(metadata)[0]
    return options


def split_xmp(metadata: Metadata) -> tuple[bytes | None, list[bytes]]:
    """Splits fitted XMP for JPEG: the main packet, and the segments of its extension."""
    return (metadata.xmp and split_extended(metadata.xmp)) or (None, [])


def with_further_metadata(kind: str, content: bytes, metadata: Metadata) -> bytes:
    """Adds to a file what Pillow does not write of fitted metadata."""
    if kind == "AVIF" and metadata.color.cicp is not None:
        return with_nclx(content, *metadata.color.cicp[:2])
    if kind != "JPEG":
        return content
    block = build_block(metadata.iptc, metadata.photoshop)
    parts = [block[at : at + PHOTOSHOP_BYTES] for at in range(0, len(block), PHOTOSHOP_BYTES)]
    segments = [(APP13, PHOTOSHOP_PREFIX + part) for part in parts] + [(COM, comment) for comment in metadata.comments]
    return insert_segments(content, [*((APP1, part) for part in split_xmp(metadata)[1]), *segments])
