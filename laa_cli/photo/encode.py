"""Encodes pixels and metadata as a JPEG, PNG, WebP, TIFF, BMP or AVIF file."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..errors import LaaError, UsageError
from . import containers, exif
from .metadata import Metadata, fitting_profile
from .pixels import Pixels, blend_on_white, gray_to_color, to_8bit

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
JPEG_BLOCK_BYTES = 65533  # of an EXIF or XMP block with its prefix
XMP_PREFIX_BYTES = 29


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
    """Encodes a photo as a file's content. `pixels`: (h, w, 1-4) uint8 or uint16; `metadata` fits them. Raises LaaError."""
    check_output(suffix, pixels.shape[1], pixels.shape[0], name)
    kind = FORMAT_OF_SUFFIX[suffix.lower()]
    try:
        if kind == "TIFF":
            if pixels.dtype == np.uint16 and pixels.shape[2] == 2:  # hardly any reader takes 16-bit grey with alpha
                pixels = gray_to_color(pixels)
            return containers.tiff(pixels, with_fitting_profile(metadata, pixels))
        if kind == "PNG" and pixels.dtype == np.uint16:
            return containers.png16(pixels.astype(np.uint16, copy=False), metadata)
        converted = convert_for_format(kind, pixels)
        return encode_with_pillow(kind, converted, with_fitting_profile(metadata, converted))
    except MemoryError as error:
        raise LaaError(f"not enough memory to write {name}: choose a smaller scale") from error
    except (OSError, ValueError, RuntimeError, OverflowError, struct.error) as error:
        raise LaaError(f"cannot write {name}: {error}: choose another format") from error


def encode_thumbnail(rgb: NDArray[np.uint8]) -> bytes:
    """Encodes (h, w, 3) uint8 RGB as a JPEG for a web page: small rather than exact, without metadata."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=82, optimize=True)
    return buffer.getvalue()


def convert_for_format(kind: str, pixels: Pixels) -> NDArray[np.uint8]:
    """Converts pixels (h, w, c) to what the format can hold: 8 bits, in JPEG and BMP no alpha, in WebP no grey."""
    pixels = to_8bit(pixels)
    if kind in ("JPEG", "BMP"):
        return blend_on_white(pixels)
    if kind == "WEBP" or (kind == "AVIF" and pixels.shape[2] == 2):
        return gray_to_color(pixels)
    return pixels


def with_fitting_profile(metadata: Metadata, pixels: Pixels) -> Metadata:
    """Removes from the metadata a colour profile that is not for the number of channels of `pixels`, (h, w, c)."""
    return replace(metadata, icc=fitting_profile(metadata.icc, pixels.shape[2]))


def encode_with_pillow(kind: str, pixels: NDArray[np.uint8], metadata: Metadata) -> bytes:
    """Encodes 8-bit pixels (h, w, c) with Pillow."""
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    options = QUALITY.get(kind, {}) | {key: value for key, value in metadata_options(kind, metadata).items() if value}
    if kind == "AVIF":
        options["subsampling"] = "4:0:0" if image.mode == "L" else "4:4:4"
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image.save(buffer, kind, **options)
    return buffer.getvalue()


def metadata_options(kind: str, metadata: Metadata) -> dict[str, Any]:
    """Returns Pillow's arguments for the metadata that the format can hold."""
    if kind == "BMP":
        return {"dpi": metadata.dpi}
    options: dict[str, Any] = {"icc_profile": metadata.icc, "dpi": metadata.dpi, "exif": metadata.exif, "xmp": metadata.xmp}
    if kind == "JPEG":
        options["exif"] = jpeg_exif(metadata.exif)
        fits = len(metadata.xmp or b"") <= JPEG_BLOCK_BYTES - XMP_PREFIX_BYTES
        options["xmp"] = metadata.xmp if fits else None
    elif kind == "PNG" and metadata.xmp:
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", metadata.xmp)
    return options


def jpeg_exif(block: bytes | None) -> bytes | None:
    """Returns the EXIF block with JPEG's prefix, without the maker's note, or not at all, where it would not fit."""
    for candidate in (block, exif.without_maker_note(block) if block else None):
        if candidate and len(candidate) + 6 <= JPEG_BLOCK_BYTES:
            return b"Exif\0\0" + candidate
    return None
