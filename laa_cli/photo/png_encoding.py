"""Encodes PNG, 8 and 16 bits, in strips side by side: each is filtered and deflated by itself, and all are one zlib stream."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .metadata import Metadata
from .metadata.photoshop import build_block
from .metadata.png_chunks import SIGNATURE, Chunk, chunk, raw_profile
from .pixels import Pixels, row_blocks
from .strips import map_strips

COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
PAETH = 4  # the filter's number: as small as the best of all filters for each row, in enlarged photos and drawings alike
STRIP_BYTES = 1 << 22  # of pixels
FILTERED_BYTES = 1 << 17  # at a time, so that temporaries stay in a core's cache
SAMPLE_BYTES = 1 << 16  # of each strip, to choose by
LEVEL = 6
STRATEGIES = (zlib.Z_RLE, zlib.Z_DEFAULT_STRATEGY)  # the first is several times as fast, and smaller where there is noise
ADLER_MODULUS = 65521
ZLIB_HEADER = b"\x78\x9c"  # of a window of 32 KB and the default level


class Strip(NamedTuple):
    """A strip's deflated data, and the Adler-32 checksum and number of its bytes before."""

    data: bytes
    checksum: int
    size: int


def png(pixels: Pixels, metadata: Metadata) -> bytes:
    """Encodes (h, w, 1-4) uint8 or uint16 pixels as PNG."""
    return b"".join(png_parts(pixels, metadata))


def png_parts(pixels: Pixels, metadata: Metadata) -> Iterator[bytes]:
    """Encodes as `png` does, and yields the file's content in parts, a strip at a time."""
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, COLOUR_TYPES[channels], 0, 0, 0)
    yield SIGNATURE
    for each in [(b"IHDR", header), *further_chunks(metadata), *metadata_chunks(metadata)]:
        yield chunk(*each)
    checksum = 1
    blocks = list(row_blocks(pixels, STRIP_BYTES))
    for rows, strip in zip(blocks, map_strips(lambda rows: encode_strip(pixels, rows), blocks), strict=True):
        checksum = joined_checksum(checksum, strip)
        start = ZLIB_HEADER if rows.start == 0 else b""
        end = struct.pack(">I", checksum) if rows.stop == height else b""
        yield chunk(b"IDAT", start + strip.data + end)
    yield chunk(b"IEND", b"")


def further_chunks(metadata: Metadata) -> list[Chunk]:
    """Lists the chunks of colours without a profile, texts, and IPTC."""
    block = build_block(metadata.iptc, metadata.photoshop)
    return [*metadata.color.chunks, *metadata.text, *([raw_profile("iptc", block)] if block else [])]


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


def encode_strip(pixels: Pixels, rows: slice) -> Strip:
    """Filters and deflates rows of (h, w, c); the data of all strips after each other are one deflate stream."""
    filtered = filter_rows(pixels, rows).reshape(-1).data
    deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, choose_strategy(filtered))
    last = rows.stop == pixels.shape[0]
    data = deflate.compress(filtered) + deflate.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)
    return Strip(data, zlib.adler32(filtered), filtered.nbytes)


def filter_rows(pixels: Pixels, rows: slice) -> NDArray[np.uint8]:
    """Applies the Paeth filter to rows of (h, w, c): (rows, 1 + bytes of a row), the filter's number first."""
    first = max(rows.start - 1, 0)
    raw = pixels[first : rows.stop].astype(pixels.dtype.newbyteorder(">"), copy=False).view(np.uint8)
    raw = raw.reshape(rows.stop - first, -1)
    count, step = rows.stop - rows.start, pixels.itemsize * pixels.shape[2]
    padded = np.zeros((count + 1, step + raw.shape[1]), np.uint8)  # by a row above and a pixel to the left
    padded[-len(raw) :, step:] = raw
    filtered = np.full((count, 1 + raw.shape[1]), PAETH, np.uint8)
    for block in row_blocks(filtered, FILTERED_BYTES):
        subtract_paeth(padded[block.start : block.stop + 1], step, filtered[block, 1:])
    return filtered


def subtract_paeth(padded: NDArray[np.uint8], step: int, out: NDArray[np.uint8]) -> None:
    """Computes bytes less what Paeth predicts: the one on the left, above or in the corner, nearest to left + above - corner.

    `padded`: (n + 1, step + m), what comes before the bytes in the first row and the first `step` columns; `out`: (n, m).
    """
    left, above, corner = padded[1:, :-step], padded[:-1, step:], padded[:-1, :-step]
    to_left = np.subtract(above, corner, dtype=np.int16)
    to_above = np.subtract(left, corner, dtype=np.int16)
    to_corner = np.abs(to_left + to_above)
    np.abs(to_left, out=to_left)
    np.abs(to_above, out=to_above)
    predicted = select(to_above <= to_corner, above, corner)
    predicted = select((to_left <= to_above) & (to_left <= to_corner), left, predicted)
    np.subtract(padded[1:, step:], predicted, out=out)


def select(condition: NDArray[np.bool_], this: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns `this` where the condition holds, else `other`: as numpy.where, three times as fast."""
    mask = np.negative(condition.view(np.uint8))
    return ((this ^ other) & mask) ^ other


def choose_strategy(filtered: memoryview) -> int:
    """Chooses how zlib looks for repetitions, by what is smaller for a part of the data."""
    middle = max(0, (filtered.nbytes - SAMPLE_BYTES) // 2)
    sample = filtered[middle : middle + SAMPLE_BYTES]

    def size(strategy: int) -> int:
        deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, strategy)
        return len(deflate.compress(sample)) + len(deflate.flush())

    return min(STRATEGIES, key=size)


def joined_checksum(before: int, strip: Strip) -> int:
    """Computes the Adler-32 checksum of data and a strip after them."""
    first = before & 0xFFFF, before >> 16
    second = strip.checksum & 0xFFFF, strip.checksum >> 16
    total = (first[0] + second[0] - 1) % ADLER_MODULUS
    return (first[1] + second[1] + strip.size * (first[0] - 1)) % ADLER_MODULUS << 16 | total
