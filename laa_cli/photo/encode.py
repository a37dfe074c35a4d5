"""From pixels and metadata to the bytes of a JPEG, PNG, WebP, TIFF, BMP or AVIF file."""

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

from ..errors import Exit, LaaError, OutOfMemoryError
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
class Limit:
    """The longest side and the largest area, in pixels, of a format."""

    side_px: int = (1 << 31) - 1
    area_px: int = 1 << 62


LIMITS = {
    "JPEG": Limit(65500),  # libjpeg's; the format itself would allow 65535
    "PNG": Limit(),
    "WEBP": Limit(16383),
    "TIFF": Limit(),
    "BMP": Limit(area_px=(1 << 32) // 4),  # the file's size is a 32-bit number
    "AVIF": Limit(32768, 16384 * 16384),  # what libavif, and so browsers, agree to open
}


def check_output(suffix: str, width: int, height: int, name: str) -> None:
    """Raises LaaError if a file with that suffix (".jpg") cannot be written or cannot hold width x height pixels."""
    kind = FORMAT_OF_SUFFIX.get(suffix.lower())
    if kind is None:
        supported = ", ".join(sorted(FORMAT_OF_SUFFIX))
        raise LaaError(f"cannot write {name}: {suffix or 'no suffix'} is not a format laa writes: use {supported}", Exit.USAGE)
    limit = LIMITS[kind]
    if max(width, height) > limit.side_px:
        reason = f"{kind} allows at most {limit.side_px} pixels a side"
    elif width * height > limit.area_px:
        reason = f"{kind} allows at most {limit.area_px} pixels"
    else:
        return
    raise LaaError(f"cannot write {name}: it would be {width}x{height}, but {reason}: choose .png or .tif")


def encode(pixels: Pixels, metadata: Metadata, suffix: str, name: str) -> bytes:
    """The file's content. `pixels`: (h, w, c) uint8 or uint16; `metadata` fits them. Raises LaaError."""
    check_output(suffix, pixels.shape[1], pixels.shape[0], name)
    kind = FORMAT_OF_SUFFIX[suffix.lower()]
    try:
        if kind == "TIFF":
            deep_alpha = pixels.dtype == np.uint16 and pixels.shape[2] == 2  # hardly any reader takes these
            return containers.tiff(*with_fitting_profile(gray_to_color(pixels) if deep_alpha else pixels, metadata))
        if kind == "PNG" and pixels.dtype == np.uint16:
            return containers.png16(pixels.astype(np.uint16, copy=False), metadata)
        return encode_with_pillow(kind, *with_fitting_profile(convert_for_format(kind, pixels), metadata))
    except MemoryError as error:
        raise OutOfMemoryError(f"not enough memory to write {name}: choose a smaller scale") from error
    except (OSError, ValueError, RuntimeError, OverflowError, struct.error) as error:
        raise LaaError(f"cannot write {name}: {error}: choose another format") from error


def encode_thumbnail(rgb: NDArray[np.uint8]) -> bytes:
    """A JPEG for a page, (h, w, 3) uint8 RGB: small rather than exact, and nothing but the pixels."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=82, optimize=True)
    return buffer.getvalue()


def convert_for_format(kind: str, pixels: Pixels) -> NDArray[np.uint8]:
    """What the format can hold of the pixels: 8 bits, alpha laid over white in JPEG and BMP, no grey in WebP."""
    shallow = to_8bit(pixels)
    if kind in ("JPEG", "BMP"):
        return blend_on_white(shallow)
    if kind == "WEBP" or (kind == "AVIF" and shallow.shape[2] == 2):
        return to_8bit(gray_to_color(shallow))
    return shallow


def with_fitting_profile(pixels: Any, metadata: Metadata) -> tuple[Any, Metadata]:
    """The metadata without a colour profile made for another number of channels."""
    return pixels, replace(metadata, icc=fitting_profile(metadata.icc, pixels.shape[2]))


def encode_with_pillow(kind: str, pixels: NDArray[np.uint8], metadata: Metadata) -> bytes:
    """An 8-bit file."""
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
    """Pillow's arguments for the metadata that the format can hold."""
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
    """The block with JPEG's prefix, without the maker's note or not at all where it would not fit."""
    for candidate in (block, exif.without_maker_note(block) if block else None):
        if candidate and len(candidate) + 6 <= JPEG_BLOCK_BYTES:
            return b"Exif\0\0" + candidate
    return None
