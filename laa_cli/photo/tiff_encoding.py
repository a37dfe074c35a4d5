"""Encodes TIFF, 8 and 16 bits, with metadata: Pillow has no 16-bit colour. Strips are deflated side by side."""

from __future__ import annotations

import io
import struct

import numpy as np

from .metadata import Metadata, exif, ifd
from .pixels import Pixels, row_blocks
from .strips import map_strips

DEFLATE_LEVEL = 6
CLASSIC_TIFF_BYTES = (1 << 32) - (1 << 24)  # beyond, offsets no longer fit and the file becomes a BigTIFF
HEADER_BYTES = 16  # of a BigTIFF; a classic one needs 8, but which it is shows after the strips
BYTE, SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 1, 3, 4, 5, 7, 16  # TIFF field types


def tiff(pixels: Pixels, metadata: Metadata) -> bytes:
    """Encodes (h, w, 1-4) uint8 or uint16 pixels as a deflated TIFF; a BigTIFF where 4 GB are not enough."""
    blocks, sizes = list(row_blocks(pixels)), []
    file = io.BytesIO(bytes(HEADER_BYTES))
    file.seek(HEADER_BYTES)
    for strip in map_strips(lambda rows: encode_strip(pixels[rows]), blocks):
        sizes.append(file.write(strip))
    big = file.tell() > CLASSIC_TIFF_BYTES
    file.write(b"\0" * (file.tell() % 2))
    place = file.tell()  # of the directory
    offsets = np.cumsum([HEADER_BYTES, *sizes[:-1]]).tolist()
    kind = LONG8 if big else LONG
    tags = {278: numbers(LONG, blocks[0].stop), 279: numbers(kind, *sizes), 273: numbers(kind, *offsets)}
    file.write(ifd.serialize(tiff_tags(pixels, metadata) | tags, place, big=big))
    file.seek(0)
    file.write(b"II+\0\x08\0\0\0" + struct.pack("<Q", place) if big else b"II*\0" + struct.pack("<I", place))
    return file.getvalue()


def encode_strip(pixels: Pixels) -> bytes | bytearray:
    """Encodes rows (h, w, c) as a TIFF strip: deflated differences to the left neighbour (predictor 2), little-endian."""
    import imagecodecs  # here, because it is needed by few photos

    differences = pixels.astype(pixels.dtype.newbyteorder("<"))
    differences[:, 1:] -= pixels[:, :-1]
    # By libdeflate: four times as fast as zlib at this level, and as small.
    return imagecodecs.deflate_encode(differences.tobytes(), level=DEFLATE_LEVEL)


def tiff_tags(pixels: Pixels, metadata: Metadata) -> ifd.Directory:
    """Builds all tags but those of the strips."""
    height, width, channels = pixels.shape
    tags = exif.clean(metadata.exif) if metadata.exif else {}
    tags |= {256: numbers(LONG, width), 257: numbers(LONG, height), 258: numbers(SHORT, *[pixels.itemsize * 8] * channels)}
    tags |= {259: numbers(SHORT, 8), 262: numbers(SHORT, 2 if channels >= 3 else 1), 277: numbers(SHORT, channels)}
    tags |= {284: numbers(SHORT, 1), 317: numbers(SHORT, 2)}
    if channels in (2, 4):
        tags[338] = numbers(SHORT, 2)  # alpha, not premultiplied
    if metadata.dpi:
        tags |= {282 + axis: numbers(RATIONAL, round(value * 1000), 1000) for axis, value in enumerate(metadata.dpi)}
        tags[296] = numbers(SHORT, 2)  # per inch
    if metadata.icc:
        tags[exif.ICC] = ifd.Entry(UNDEFINED, len(metadata.icc), metadata.icc)
    if metadata.xmp:
        tags[exif.XMP] = ifd.Entry(BYTE, len(metadata.xmp), metadata.xmp)
    if metadata.iptc:
        tags[exif.IPTC] = ifd.Entry(UNDEFINED, len(metadata.iptc), metadata.iptc)
    if metadata.photoshop:
        tags[exif.PHOTOSHOP] = ifd.Entry(BYTE, len(metadata.photoshop), metadata.photoshop)
    return tags


def numbers(kind: int, *values: int) -> ifd.Entry:
    """Builds an entry of unsigned numbers; rationals are given as numerator, denominator."""
    sign = {SHORT: "H", LONG: "I", RATIONAL: "I", LONG8: "Q"}[kind]
    count = len(values) // 2 if kind == RATIONAL else len(values)
    return ifd.Entry(kind, count, struct.pack(f"<{len(values)}{sign}", *values))
