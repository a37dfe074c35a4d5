"""Encoders for 16-bit PNG and for TIFF, with metadata: Pillow has no 16-bit colour."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .metadata import Metadata, exif, ifd
from .metadata.photoshop import IPTC, build_resource
from .metadata.png_chunks import SIGNATURE, Chunk, chunk, raw_profile
from .pixels import Pixels, row_blocks

PNG_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
DEFLATE_LEVEL = 6
CLASSIC_TIFF_BYTES = (1 << 32) - (1 << 24)  # beyond, offsets no longer fit and the file becomes a BigTIFF
BYTE, SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 1, 3, 4, 5, 7, 16  # TIFF field types


def png16(pixels: NDArray[np.uint16], metadata: Metadata) -> bytes:
    """Encodes (h, w, 1-4) uint16 pixels as PNG."""
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, PNG_COLOUR_TYPES[channels], 0, 0, 0)
    parts = [
        SIGNATURE,
        chunk(b"IHDR", header),
        *(chunk(*each) for each in [*text_chunks(metadata), *metadata_chunks(metadata)]),
    ]
    deflate = zlib.compressobj(DEFLATE_LEVEL)
    for rows in row_blocks(pixels):
        parts.append(chunk(b"IDAT", deflate.compress(filter_rows(pixels, rows))))
    return b"".join([*parts, chunk(b"IDAT", deflate.flush()), chunk(b"IEND", b"")])


def text_chunks(metadata: Metadata) -> list[Chunk]:
    """Lists the chunks of metadata that Pillow does not write: colours without a profile, texts, and IPTC."""
    block = photoshop_block(metadata)
    return [*metadata.color.chunks, *metadata.text, *([raw_profile("iptc", block)] if block else [])]


def photoshop_block(metadata: Metadata) -> bytes:
    """Builds Photoshop's resources, IPTC among them; empty where there are none."""
    return (build_resource(IPTC, metadata.iptc) if metadata.iptc else b"") + (metadata.photoshop or b"")


def metadata_chunks(metadata: Metadata) -> Iterator[Chunk]:
    """Yields the other chunks of metadata, which must come before the pixels."""
    if metadata.icc:
        yield b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc)
    if metadata.dpi:
        x, y = (round(value / 0.0254) for value in metadata.dpi)  # PNG counts per metre
        yield b"pHYs", struct.pack(">IIB", x, y, 1)
    if metadata.exif:
        yield b"eXIf", metadata.exif
    if metadata.xmp:
        yield b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp


def filter_rows(pixels: NDArray[np.uint16], rows: slice) -> bytes:
    """Applies PNG's filters to rows of (h, w, c): each less its left neighbour (Sub) or the row above (Up)."""
    with_above = pixels[max(rows.start - 1, 0) : rows.stop].astype(">u2").view(np.uint8)
    count, step = rows.stop - rows.start, 2 * pixels.shape[2]
    raw = with_above.reshape(len(with_above), -1)
    above = raw[:-1] if rows.start else np.vstack([np.zeros_like(raw[:1]), raw[:-1]])
    raw = raw[-count:]
    left = raw.copy()
    left[:, step:] -= raw[:, :-step]
    up = raw - above
    smaller_up = magnitude(up) < magnitude(left)
    filter_types = np.where(smaller_up, 2, 1).astype(np.uint8)
    return np.hstack([filter_types[:, None], np.where(smaller_up[:, None], up, left)]).tobytes()


def magnitude(differences: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Sums each row's bytes as absolute signed numbers: the heuristic that PNG recommends for choosing a filter."""
    sums: NDArray[Any] = np.minimum(differences, -differences).sum(axis=1, dtype=np.int64)
    return sums


def tiff(pixels: Pixels, metadata: Metadata) -> bytes:
    """Encodes (h, w, 1-4) uint8 or uint16 pixels as a deflated TIFF; a BigTIFF where 4 GB are not enough."""
    blocks = list(row_blocks(pixels))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        strips = list(pool.map(lambda rows: encode_strip(pixels[rows]), blocks))
    big = sum(map(len, strips)) > CLASSIC_TIFF_BYTES
    magic = b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) if big else b"II*\0" + struct.pack("<I", 8)
    tags = tiff_tags(pixels, metadata) | {278: numbers(LONG, blocks[0].stop)}
    tags[279] = numbers(LONG8 if big else LONG, *map(len, strips))
    for origin in (0, len(magic) + len(ifd.serialize(tags | {273: tags[279]}, len(magic), big=big))):
        offsets = np.cumsum([origin, *map(len, strips[:-1])])
        tags[273] = numbers(LONG8 if big else LONG, *offsets.tolist())
    return b"".join([magic, ifd.serialize(tags, len(magic), big=big), *strips])


def encode_strip(pixels: Pixels) -> bytes:
    """Encodes rows (h, w, c) as a TIFF strip: deflated differences to the left neighbour (predictor 2), little-endian."""
    differences = pixels.astype(pixels.dtype.newbyteorder("<"))
    differences[:, 1:] -= pixels[:, :-1]
    return zlib.compress(differences.tobytes(), DEFLATE_LEVEL)


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
