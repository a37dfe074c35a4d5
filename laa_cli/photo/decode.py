"""Decodes a photo's file (JPEG, PNG, WebP, TIFF, BMP, AVIF, GIF) into upright pixels and cleaned metadata."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from ..errors import LaaError, OutOfMemoryError
from . import exif
from . import metadata as meta
from .colours import to_srgb
from .header import LIBRARY_ERRORS, PhotoHeader, check_kind, describe, holds_16_bits, open_photo
from .ifd import UnsupportedError
from .integrity import check_content
from .jpeg import unsupported_kind
from .limits import check_reading
from .muting import mute_libraries, mute_stderr
from .pixels import Pixels, apply_orientation, row_blocks

if TYPE_CHECKING:
    from .tiff import TiffPhoto

GRAY_16BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N")
PNG_GREY_ALPHA = 4  # PNG's colour type, in byte 25


def read_header(content: bytes, name: str, max_pixels: int | None) -> PhotoHeader:
    """Reads a photo's header. Raises LaaError on what `decode` refuses by it."""
    with mute_libraries(), named_errors(name):
        return describe(open_checked(content, name, max_pixels))


def decode(content: bytes, name: str, max_pixels: int | None) -> tuple[Pixels, meta.Metadata]:
    """Decodes a photo: upright pixels (h, w, 1-4) uint8 or uint16, and cleaned metadata.

    Raises LaaError, naming `name`, on anything that is not one intact photo of `max_pixels` at most (None: by memory).
    """
    with mute_libraries(), named_errors(name):
        opened = open_checked(content, name, max_pixels)
        pixels = read_pixels(opened, content, name) if isinstance(opened, ImageFile) else read_tiff(opened, content)
        carrier = opened if isinstance(opened, ImageFile) else tiff_metadata(opened)
        block, xmp = meta.stored_exif(carrier, content), meta.stored_xmp(carrier)
        own_orientation = None if isinstance(opened, ImageFile) else opened.orientation
        pixels = apply_orientation(pixels, own_orientation or meta.orientation(block, xmp))
        icc = None if is_converted(opened) else meta.fitting_profile(opened.info.get("icc_profile"), pixels.shape[2])
        dpi = meta.clean_dpi(opened.info.get("dpi"))
        return pixels, meta.Metadata(exif.to_bytes(exif.clean(block)), icc, dpi, meta.clean_xmp(xmp))


def open_checked(content: bytes, name: str, max_pixels: int | None) -> ImageFile | TiffPhoto:
    """Opens a photo and checks what its header tells. Raises LaaError, and what the libraries raise on damage."""
    opened = open_photo(io.BytesIO(content), name)
    check_reading(describe(opened), max_pixels, name)
    check_kind(opened, name)
    if describe(opened).kind in ("JPEG", "MPO") and (kind := unsupported_kind(content)):
        raise LaaError(f"cannot read {name}: it is {kind}, which is not supported: convert it to PNG first")
    return opened


@contextmanager
def named_errors(name: str) -> Iterator[None]:
    """Turns what libraries raise while they decode into LaaErrors that name the photo."""
    try:
        yield
    except MemoryError as error:
        raise OutOfMemoryError(f"not enough memory to read {name}: use a smaller photo") from error
    except UnsupportedError as error:
        hint = "save it as grey or RGB with 8 or 16 bits per channel"
        raise LaaError(f"cannot read {name}: TIFF with {error} is not supported: {hint}") from error
    except LIBRARY_ERRORS as error:
        raise damaged_error(name, error) from error


def damaged_error(name: str, reason: object) -> LaaError:
    """Builds the error for photos whose header is intact and whose content is not."""
    first_line = (str(reason).splitlines() or [""])[0]
    return LaaError(
        f"cannot read {name}: it is truncated or damaged ({first_line or type(reason).__name__}): use an intact copy"
    )


def is_converted(opened: ImageFile | TiffPhoto) -> bool:
    """Whether decoding converts the colours to sRGB, so that the photo's own profile no longer holds."""
    return opened.mode in ("CMYK", "LAB") if isinstance(opened, ImageFile) else opened.converted


def tiff_metadata(tiff: TiffPhoto) -> Image.Image:
    """Puts a TIFF's colour profile, XMP and resolution where the metadata of other formats is."""
    image = Image.new("L", (1, 1))
    image.format = "TIFF"
    image.info.update(tiff.info)
    return image


def read_tiff(tiff: TiffPhoto, content: bytes) -> Pixels:
    """Decodes the pixels (h, w, c) of a TIFF that passed the checks, as they are stored."""
    from .photometric import read_tiff_pixels  # here, because its libraries are needed by few photos

    with mute_stderr():
        return read_tiff_pixels(tiff, content, tiff.info.get("icc_profile"))


def read_pixels(image: ImageFile, content: bytes, name: str) -> Pixels:
    """Decodes the pixels (h, w, c) of any other photo that passed the checks, as they are stored."""
    check_content(image, content)
    is_16bit = holds_16_bits(image)
    image.load()
    if image.mode in GRAY_16BIT_MODES:
        return gray_16bit(image)
    pixels = pixels_8bit(image)
    return color_16bit(image, pixels, content, name) if is_16bit else pixels


def pixels_8bit(image: Image.Image) -> NDArray[np.uint8]:
    """Decodes an 8-bit photo of any mode as (h, w, c): grey, grey+alpha, RGB or RGBA."""
    grey = image.mode in ("1", "L", "LA", "La")
    mode = ("L" if grey else "RGB") + ("A" if image.has_transparency_data else "")
    pixels = np.empty((image.height, image.width, len(mode)), np.uint8)
    for rows in row_blocks(pixels):  # a copy of all of it would take as much memory again
        part = image.crop((0, rows.start, image.width, rows.stop))
        part = to_srgb(part, image.info.get("icc_profile")) if image.mode in ("CMYK", "LAB") else part
        pixels[rows] = np.asarray(part if part.mode == mode else part.convert(mode)).reshape(pixels[rows].shape)
    return pixels


def gray_16bit(image: Image.Image) -> NDArray[np.uint16]:
    """Decodes 16-bit grey, (h, w, 1), or (h, w, 2) with alpha where one level is marked as transparent."""
    pixels = np.array(image).astype(np.uint16, copy=False)[:, :, None]
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return pixels
    return np.concatenate([pixels, np.where(pixels == transparent, 0, 65535)], 2, dtype=np.uint16)


def color_16bit(image: Image.Image, pixels: NDArray[np.uint8], content: bytes, name: str) -> NDArray[np.uint16]:
    """Decodes with OpenCV the 16 bits per channel of a PNG of which Pillow gave the upper 8, `pixels` (h, w, c).

    Raises LaaError where both do not agree.
    """
    try:
        with mute_stderr():
            bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise damaged_error(name, error) from error
    if bgr is None or bgr.dtype != np.uint16 or bgr.ndim != 3 or bgr.shape[:2] != pixels.shape[:2]:
        raise damaged_error(name, "its 16-bit pixels cannot be decoded")
    grey = content[25] == PNG_GREY_ALPHA  # both libraries repeat the grey
    colours = [0] if grey else [2, 1, 0]  # places of OpenCV's channels
    channels = [*colours, 3] if bgr.shape[2] == 4 else colours
    full = np.ascontiguousarray(bgr[:, :, channels], dtype=np.uint16)
    if not np.array_equal((full[:, :, : len(colours)] >> 8).astype(np.uint8), pixels[:, :, : len(colours)]):
        raise damaged_error(name, "its 16-bit pixels cannot be decoded")
    return full
