"""Decodes a photo's file (JPEG, PNG, WebP, TIFF, BMP, AVIF, GIF) into upright pixels and cleaned metadata."""

from __future__ import annotations

import io
import re
import struct
import zlib
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PIL.ImageFile import ImageFile

from ..errors import LaaError, OutOfMemoryError
from .metadata import Metadata, Stored, pixels_only, read_metadata, upright
from .metadata.icc import profile_space
from .muting import mute_pillow, mute_stderr
from .pixels import Pixels, apply_orientation, unpremultiply_alpha

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF", "GIF")
GRAY_16BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N")
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
SUBFILE, BITS, PHOTOMETRIC, EXTRA_SAMPLES, DNG_VERSION = 254, 258, 262, 338, 50706  # TIFF tags
PNG_GREY_ALPHA = 4  # PNG's colour type, in byte 25
# All that Pillow's decoders are known to raise on hostile bytes.
PILLOW_ERRORS = (
    *(OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, ArithmeticError, AttributeError),
    *(AssertionError, RuntimeError, struct.error, zlib.error, Image.DecompressionBombError),
)


def decode(content: bytes, name: str, max_pixels: int) -> tuple[Pixels, Metadata]:
    """Decodes a photo: upright pixels (h, w, 1-4) uint8 or uint16, and cleaned metadata.

    Raises LaaError, naming `name`, on anything that is not one intact photo of `max_pixels` at most.
    """
    with mute_pillow(max_pixels):
        bare = pixels_only(content)
        image = open_image(bare, name, max_pixels)
        try:
            check_header(image, name, max_pixels)
            stored = read_metadata(image.format or "", content, image.info)
            pixels = apply_orientation(read_pixels(image, bare, name), orientation_left(image, stored))
            height, width, channels = pixels.shape
            return pixels, upright(stored, width, height, channels, converted=image.mode in ("CMYK", "LAB"))
        except MemoryError as error:
            size = f"{image.width}x{image.height}"
            raise OutOfMemoryError(f"not enough memory to read {name} ({size}): use a smaller photo") from error
        except PILLOW_ERRORS as error:
            raise damaged_error(name, error) from error


def peek(file: Path | BinaryIO, max_pixels: int) -> tuple[int, int]:
    """Reads width and height from a file's header, (0, 0) where it has none; no pixel is decoded."""
    try:
        with mute_pillow(max_pixels), Image.open(file, formats=FORMATS) as image:
            return image.size
    except (*PILLOW_ERRORS, MemoryError):  # reading the photo will say what is wrong with it
        return 0, 0


def open_image(content: bytes, name: str, max_pixels: int) -> ImageFile:
    """Opens a photo and parses its header. Raises LaaError where Pillow does not recognise it."""
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:
        pixels = re.search(r"\d+", str(error))
        raise too_large_error(name, f"{pixels[0] if pixels else 'too many'} pixels", max_pixels) from error
    except MemoryError as error:
        raise OutOfMemoryError(f"not enough memory to read {name}: use a smaller photo") from error
    except PILLOW_ERRORS as error:
        raise LaaError(f"cannot read {name}: {unrecognized_reason(content)}") from error


def unrecognized_reason(content: bytes) -> str:
    """Returns why Pillow may not have recognised the file, and what to do."""
    if content[4:8] == b"ftyp" and content[8:12] in HEIC_BRANDS:
        return "it is a HEIC photo, which laa does not open: convert it to JPEG or PNG first"
    if b"<svg" in content[:4096]:
        return "it is an SVG drawing, not a photo: export it to PNG first"
    magic = {b"\xff\xd8": "JPEG", b"\x89P": "PNG", b"RI": "WebP", b"II": "TIFF", b"MM": "TIFF", b"BM": "BMP", b"GI": "GIF"}
    kind = "AVIF" if content[4:8] == b"ftyp" else magic.get(content[:2])
    if kind:
        return f"its {kind} header is truncated, damaged or of an unsupported kind: use an intact copy, or export it to PNG"
    return "it is not a JPEG, PNG, WebP, TIFF, BMP or AVIF photo: convert it to one of these first"


def too_large_error(name: str, size: str, max_pixels: int) -> LaaError:
    """Builds the error for photos beyond the limit."""
    return LaaError(
        f"{name} is too large: {size}, and at most {max_pixels} pixels are allowed: raise --max-pixels or shrink it"
    )


def damaged_error(name: str, reason: object) -> LaaError:
    """Builds the error for photos whose header is intact and whose content is not."""
    first_line = (str(reason).splitlines() or [""])[0]
    return LaaError(
        f"cannot read {name}: it is truncated or damaged ({first_line or type(reason).__name__}): use an intact copy"
    )


def check_header(image: Image.Image, name: str, max_pixels: int) -> None:
    """Raises LaaError, before any pixel is decoded, where a photo is too large, raw, or has several frames."""
    width, height = image.size
    if width * height > max_pixels:
        raise too_large_error(name, f"{width}x{height} is {width * height} pixels", max_pixels)
    if width < 1 or height < 1:
        raise LaaError(f"cannot read {name}: it is {width}x{height} pixels: use an intact copy")
    tags = getattr(image, "tag_v2", {})
    if DNG_VERSION in tags or tags.get(SUBFILE, 0) == 1:
        raise LaaError(f"cannot read {name}: it is a camera's raw file: develop it to JPEG or TIFF first")
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # a camera's MPO is a JPEG followed by previews
        what = "pages" if image.format == "TIFF" else "frames"
        raise LaaError(f"cannot read {name}: it has {frames} {what}: export the one you want")


def orientation_left(image: ImageFile, stored: Stored) -> int:
    """Returns the orientation, 1-8, that decoded pixels still have: Pillow and OpenCV apply that of TIFFs themselves."""
    return 1 if image.format == "TIFF" else stored.orientation


def read_pixels(image: ImageFile, content: bytes, name: str) -> Pixels:
    """Decodes the pixels (h, w, c) of a photo that passed the checks."""
    if image.format == "PNG":
        with Image.open(io.BytesIO(content), formats=("PNG",)) as copy:
            copy.verify()  # loading does not look at the checksums of the pixels
    is_16bit = bool(image.tile) and ";16" in repr(image.tile[0].args)
    with mute_stderr() if image.format == "TIFF" else nullcontext():
        image.load()
    pixels: Pixels = gray_16bit(image) if image.mode in GRAY_16BIT_MODES else pixels_8bit(image, name)
    if is_16bit and image.mode not in (*GRAY_16BIT_MODES, "CMYK"):
        pixels = color_16bit(image, pixels, content, name)
    return pixels


def pixels_8bit(image: Image.Image, name: str) -> NDArray[np.uint8]:
    """Decodes an 8-bit photo of any mode as (h, w, c): grey, grey+alpha, RGB or RGBA."""
    if image.mode in ("I", "F"):
        raise LaaError(f"cannot read {name}: its pixels are signed, 32-bit or fractions: save it with 8 or 16 bits per channel")
    if image.mode in ("CMYK", "LAB"):
        image = to_srgb(image)
    grey = image.mode in ("1", "L", "LA", "La")
    mode = ("L" if grey else "RGB") + ("A" if image.has_transparency_data else "")
    pixels = np.array(image if image.mode == mode else image.convert(mode))
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def to_srgb(image: Image.Image) -> Image.Image:
    """Converts CMYK, by its own ICC profile if that is intact, and L*a*b* to RGB."""
    icc = image.info.get("icc_profile")
    if icc and image.mode == "CMYK" and profile_space(icc) == "CMYK":
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    elif image.mode == "LAB":
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    else:
        return image.convert("RGB")
    try:
        converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except ImageCms.PyCMSError:
        return image.convert("RGB")
    return converted or image.convert("RGB")


def gray_16bit(image: Image.Image) -> NDArray[np.uint16]:
    """Decodes 16-bit grey, (h, w, 1), or (h, w, 2) with alpha where one level is marked as transparent."""
    pixels = np.array(image).astype(np.uint16)[:, :, None]
    tags = getattr(image, "tag_v2", {})
    if tags.get(BITS) == (12,):
        pixels = ((pixels.astype(np.uint32) * 65535 + 2047) // 4095).astype(np.uint16)
    if tags.get(PHOTOMETRIC) == 0:  # white is zero
        pixels = 65535 - pixels
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return pixels
    return np.concatenate([pixels, np.where(pixels == transparent, 0, 65535)], 2, dtype=np.uint16)


def color_16bit(image: Image.Image, pixels: NDArray[np.uint8], content: bytes, name: str) -> NDArray[np.uint16]:
    """Decodes with OpenCV the 16 bits per channel of which Pillow gave the upper 8, `pixels` (h, w, c).

    Raises LaaError where both do not agree.
    """
    try:
        with mute_stderr():
            bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise damaged_error(name, error) from error
    if bgr is None or bgr.dtype != np.uint16 or bgr.ndim != 3 or bgr.shape[:2] != pixels.shape[:2]:
        raise damaged_error(name, "its 16-bit pixels cannot be decoded")
    grey = image.format == "PNG" and content[25] == PNG_GREY_ALPHA  # both libraries repeat the grey
    colours = [0] if grey else [2, 1, 0]  # places of OpenCV's channels
    channels = [*colours, 3] if bgr.shape[2] == 4 else colours
    full = np.ascontiguousarray(bgr[:, :, channels], dtype=np.uint16)
    if getattr(image, "tag_v2", {}).get(EXTRA_SAMPLES) == (1,):
        return unpremultiply_alpha(full)
    if not np.array_equal((full[:, :, : len(colours)] >> 8).astype(np.uint8), pixels[:, :, : len(colours)]):
        raise damaged_error(name, "its 16-bit pixels cannot be decoded")
    return full
