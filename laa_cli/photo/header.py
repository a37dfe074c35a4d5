"""Opens a photo's file and checks what its header tells, before any pixel is decoded."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image
from PIL.ImageFile import ImageFile

from ..errors import LaaError, OutOfMemoryError
from . import tiff_directory
from .jpeg import unsupported_kind
from .muting import mute_libraries

if TYPE_CHECKING:
    from .tiff import TiffPhoto

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "AVIF", "GIF")  # that Pillow opens; TIFF is tifffile's
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
OTHER_KINDS = {  # what begins so, and why laa does not open it
    b"\xff\x0a": "a JPEG XL photo",
    b"\0\0\0\x0cJXL ": "a JPEG XL photo",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 photo",
    b"\xff\x4f\xff\x51": "a JPEG 2000 photo",
    b"II\xbc": "a JPEG XR photo",
    **dict.fromkeys((b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FUJIFILM", b"FOVb"), "a camera's raw file"),
}
KIND_OF_MAGIC = {b"\xff\xd8": "JPEG", b"\x89P": "PNG", b"RI": "WebP", b"II": "TIFF", b"MM": "TIFF", b"BM": "BMP", b"GI": "GIF"}
CHANNELS = {"1": 1, "L": 1, "I;16": 1, "I;16B": 1, "LA": 2, "La": 2, "P": 4, "PA": 4, "RGBA": 4, "RGBa": 4}  # else 3
# All that Pillow, tifffile and imagecodecs are known to raise on hostile bytes.
LIBRARY_ERRORS = (
    *(OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, ArithmeticError, AttributeError),
    *(AssertionError, RuntimeError, struct.error, zlib.error, Image.DecompressionBombError),
)


@dataclass(frozen=True)
class PhotoHeader:
    """What a photo's header tells. `kind`: its format; sizes in px, as stored; `pixel_bytes`: of a decoded pixel, at most."""

    kind: str
    width: int
    height: int
    pixel_bytes: int

    @property
    def pixels(self) -> int:
        """The number of pixels."""
        return self.width * self.height


def peek(file: Path | BinaryIO) -> PhotoHeader | None:
    """Reads the header of a file; None where it has none that laa can use."""
    try:
        with mute_libraries(), file.open("rb") if isinstance(file, Path) else file as opened:
            return describe(open_photo(opened, "the photo"))
    except (LaaError, *LIBRARY_ERRORS):  # reading the photo will say what is wrong with it
        return None


def open_photo(file: BinaryIO, name: str) -> ImageFile | TiffPhoto:
    """Opens a photo and parses its header. Raises LaaError where it is damaged or no photo."""
    try:
        start = file.read(4)
        file.seek(0)
        if start in tiff_directory.MAGICS:
            from .tiff import TiffPhoto  # here, because its libraries are needed by few photos

            return TiffPhoto(file)
        return Image.open(file, formats=FORMATS)
    except MemoryError as error:
        raise OutOfMemoryError(f"not enough memory to read {name}: use a smaller photo") from error
    except LIBRARY_ERRORS as error:
        raise LaaError(f"cannot read {name}: {unrecognized_reason(whole(file))}") from error


def whole(file: BinaryIO) -> bytes:
    """Reads a file from its beginning."""
    file.seek(0)
    return file.read()


def unrecognized_reason(content: bytes) -> str:
    """Returns why a library may not have recognised a file, and what to do."""
    others = [what for magic, what in OTHER_KINDS.items() if content.startswith(magic)]
    others += ["a HEIC photo"] if content[4:8] == b"ftyp" and content[8:12] in HEIC_BRANDS else []
    kind = "AVIF" if content[4:8] == b"ftyp" else KIND_OF_MAGIC.get(content[:2])
    if kind == "JPEG":
        others += filter(None, [unsupported_kind(content)])
    if others:
        return f"it is {others[0]}, which is not supported: convert it to JPEG or PNG first"
    if b"<svg" in content[:4096]:
        return "it is an SVG drawing, not a photo: export it to PNG first"
    if kind:
        return f"its {kind} header is truncated, damaged or of an unsupported kind: use an intact copy, or export it to PNG"
    return "it is not a JPEG, PNG, WebP, TIFF, BMP or AVIF photo: convert it to one of these first"


def describe(opened: ImageFile | TiffPhoto) -> PhotoHeader:
    """Returns what an opened photo's header tells."""
    if not isinstance(opened, ImageFile):
        layout = opened.layout
        return PhotoHeader("TIFF", layout.width, layout.height, layout.channels * (1 if layout.bits <= 8 else 2))
    is_16bit = holds_16_bits(opened)
    return PhotoHeader(opened.format or "", *opened.size, CHANNELS.get(opened.mode, 3) * (2 if is_16bit else 1))


def holds_16_bits(image: ImageFile) -> bool:
    """Whether the file has 16 bits per channel, of which Pillow may decode 8."""
    return image.format == "PNG" and bool(image.tile) and ";16" in repr(image.tile[0].args)


def check_kind(opened: ImageFile | TiffPhoto, name: str) -> None:
    """Raises LaaError where a photo is empty, raw or of several frames, UnsupportedError on kinds that laa does not open."""
    header = describe(opened)
    if header.width < 1 or header.height < 1:
        raise LaaError(f"cannot read {name}: it is {header.width}x{header.height} pixels: use an intact copy")
    if isinstance(opened, ImageFile):
        frames = getattr(opened, "n_frames", 1)
        if frames > 1 and opened.format != "MPO":  # a camera's MPO is a JPEG followed by previews
            raise LaaError(f"cannot read {name}: it has {frames} frames: export the one you want")
        return
    if opened.raw:
        raise LaaError(f"cannot read {name}: it is a camera's raw file: develop it to JPEG or TIFF first")
    if opened.directory.pages > 1:
        raise LaaError(f"cannot read {name}: it has {opened.directory.pages} pages: export the one you want")
    if reason := opened.unsupported():
        raise tiff_directory.UnsupportedError(reason)
