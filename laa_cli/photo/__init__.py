"""Photos as files and arrays: reads and writes them with their metadata, at their own bit depth."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError, LaaError
from ..utils.atomic import write_atomically
from ..utils.inputs import Inputs
from .decode import decode, read_header
from .encode import FORMAT_OF_SUFFIX, check_output, encode, encode_thumbnail
from .encode import left_out as names_left_out
from .header import PhotoHeader, peek
from .limits import LAYERS_SUFFIX, BytesOfSize, check_enlargement, max_file_bytes, no_bytes, upscaling_bytes
from .metadata import FaceTag, Metadata, read_face_tags
from .muting import unmuted
from .pixels import Pixels, to_rgb8

__all__ = [
    "LAYERS_SUFFIX",
    "READABLE_SUFFIXES",
    "STDIN_NAME",
    "SUFFIXES",
    "BytesOfSize",
    "FaceTag",
    "Metadata",
    "Photo",
    "PhotoHeader",
    "check_enlargement",
    "check_output",
    "encode_photo",
    "encode_thumbnail",
    "left_out",
    "max_file_bytes",
    "no_bytes",
    "peek",
    "read_bytes",
    "read_header",
    "read_photo",
    "unmuted",
    "upscaling_bytes",
    "without_metadata",
    "write_photo",
]

STDIN_NAME = "the photo on standard input"
SUFFIXES = frozenset(FORMAT_OF_SUFFIX)  # of the formats that laa writes
READABLE_SUFFIXES = SUFFIXES | {".gif", ".jfif", ".jpe", ".mpo"}  # of files to look for in a folder; content decides on reading
PART_BYTES = 1 << 24  # of a file, read at a time


@dataclass(frozen=True)
class Photo:
    """A decoded photo.

    `pixels`: (h, w, c), contiguous, upright, uint8 or uint16 over their full range; c = 1 grey, 2 grey+alpha, 3 RGB,
    4 RGBA, alpha not premultiplied. `metadata`: what the file's metadata says that still holds of the pixels.
    """

    pixels: Pixels
    metadata: Metadata = field(default_factory=Metadata)

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[0])

    @property
    def face_tags(self) -> tuple[FaceTag, ...]:
        """The faces that somebody tagged, read from the metadata at each call."""
        return read_face_tags(self.metadata.xmp, self.width, self.height)

    def rgb8(self) -> NDArray[np.uint8]:
        """Converts to (h, w, 3) uint8 RGB, 0-255: grey repeated, 16 bits rounded to 8, alpha left out."""
        return to_rgb8(self.pixels)

    def marked(self, agent: str) -> Photo:
        """Returns the same photo, marked as one that `agent` made with trained networks."""
        return replace(self, metadata=self.metadata.marked(agent))

    def with_pixels(self, pixels: Pixels) -> Photo:
        """Returns the same photo in another size, (h, w, c) with as many channels. Raises ValueError on another number."""
        if pixels.shape[2:] != self.pixels.shape[2:]:
            raise ValueError(f"expected {self.pixels.shape[2]} channels, got an array of {pixels.shape}")
        metadata = self.metadata.resized((self.width, self.height), (pixels.shape[1], pixels.shape[0]))
        return Photo(np.ascontiguousarray(pixels), metadata)


def read_photo(
    source: Path | BinaryIO | bytes | Callable[[int], bytes], *, max_pixels: int | None, name: str | None = None
) -> Photo:
    """Reads and decodes one photo from a path, an open binary file (standard input), its bytes, or a function.

    `source`: see `read_bytes`. Errors call it `name`.
    JPEG, PNG, WebP, TIFF, BMP, AVIF, or a GIF of one frame. The size is checked against `max_pixels` (width * height; None:
    by the memory that is free) before any pixel is decoded. Palettes, CMYK and L*a*b* become RGB; PNG and TIFF keep their 16
    bits. Damaged metadata is left out. Raises LaaError, naming the file, where the photo is missing, damaged, animated, too
    large or no photo.
    """
    name = name or (str(source) if isinstance(source, Path) else STDIN_NAME)
    content = read_bytes(source, name, max_pixels)
    pixels, metadata = decode(content, name, max_pixels)
    return Photo(pixels, metadata)


def read_bytes(source: Path | BinaryIO | bytes | Callable[[int], bytes], name: str, max_pixels: int | None) -> bytes:
    """Reads a photo's file. Raises LaaError where it is missing, empty or larger than a photo of `max_pixels` can be.

    `source` may be a function that reads so many bytes at most, and raises OSError where it cannot.
    """
    max_bytes = max_file_bytes(max_pixels)
    if isinstance(source, Path) and os.path.isdir(source):
        raise LaaError(f"cannot read {name}: it is a folder: give the photos in it")
    try:
        content = source if isinstance(source, bytes) else read_at_most(source, max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a closed file, or a path with a NUL in it
        hint = "check that the file exists and that you may read it"
        raise FileError(f"cannot read {name}: {getattr(error, 'strerror', None) or error}: {hint}", error) from error
    if not content:
        raise LaaError(f"cannot read {name}: it is empty (0 bytes): use an intact copy")
    if len(content) > max_bytes:
        raise LaaError(f"{name} is too large: over {max_bytes} bytes: raise --max-pixels if it is a photo")
    return content


def read_at_most(source: Path | BinaryIO | Callable[[int], bytes], size: int) -> bytes:
    """Reads the first `size` bytes of a file, and takes memory only for what it has."""
    if callable(source):
        return source(size)
    if isinstance(source, Path):
        with source.open("rb") as file:
            return read_at_most(file, size)
    content = io.BytesIO()
    while part := source.read(min(PART_BYTES, size - content.tell())):
        content.write(part)
    return content.getvalue()


def encode_photo(photo: Photo, suffix: str, *, name: str = "the output") -> bytes:
    """Encodes a photo as a file with that suffix (".jpg", ".png", ".webp", ".tif", ".bmp", ".avif"...); errors call it `name`.

    JPEG (quality 95, 4:4:4), WebP (95) and AVIF (90, 4:4:4) are lossy, the others lossless. Alpha is kept except in JPEG and
    BMP, where it is blended on white; grey stays grey except in WebP; 16 bits stay in PNG and TIFF and are rounded to 8
    elsewhere. Metadata is kept where the format has a place for it, and `left_out` names the rest. Raises LaaError on an
    unknown suffix, or a size that the format cannot hold.
    """
    return encode(photo.pixels, photo.metadata, suffix, name)


def left_out(photo: Photo, suffix: str) -> tuple[str, ...]:
    """Names, for people, what a file with that suffix will not have of the metadata that the photo's own file had."""
    return names_left_out(photo.pixels, photo.metadata, suffix)


def write_photo(photo: Photo, path: Path, *, inputs: Inputs, overwrite: bool) -> None:
    """Encodes a photo in the format that the path's suffix names, and writes it atomically, never over one of `inputs`.

    Raises LaaError.
    """
    write_atomically(path, encode_photo(photo, path.suffix, name=str(path)), inputs=inputs, overwrite=overwrite)


def without_metadata(photo: Photo) -> Photo:
    """Strips all metadata but what defines the colours: without that they would change."""
    return replace(photo, metadata=photo.metadata.stripped())
