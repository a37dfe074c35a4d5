"""Writes PNGs of every kind: colour types, 1 to 16 bits, interlaced or not, with any chunks; and reads their chunks."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6  # colour types
KINDS = [
    *((GREY, bits) for bits in (1, 2, 4, 8, 16)),
    *((PALETTE, bits) for bits in (1, 2, 4, 8)),
    *((colour, bits) for colour in (RGB, GREY_ALPHA, RGBA) for bits in (8, 16)),
]
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # x, y, and steps
Chunks = Sequence[tuple[bytes, bytes]]

COLOUR_CHUNKS: dict[str, Chunks] = {
    "gAMA": [(b"gAMA", struct.pack(">I", 100000))],
    "gAMA cHRM": [
        (b"gAMA", struct.pack(">I", 45455)),
        (b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)),
    ],
    "sRGB": [(b"sRGB", b"\1"), (b"gAMA", struct.pack(">I", 45455))],
    "cICP": [(b"cICP", bytes([9, 16, 0, 1]))],
}


def chunk(kind: bytes, content: bytes) -> bytes:
    """Builds one chunk."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def split_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields type and content of each chunk of an intact PNG."""
    position = len(SIGNATURE)
    while position + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, position)
        yield content[position + 4 : position + 8], content[position + 8 : position + 8 + length]
        position += 12 + length


def repair(content: bytes) -> bytes:
    """Sets right the checksums of all chunks of a damaged PNG, so that its damage is looked at."""
    repaired, position = bytearray(content), len(SIGNATURE)
    while position + 12 <= len(repaired):
        (length,) = struct.unpack_from(">I", repaired, position)
        end = position + 8 + length
        if end + 4 > len(repaired):
            break
        struct.pack_into(">I", repaired, end, zlib.crc32(repaired[position + 4 : end]))
        position = end + 4
    return bytes(repaired)


def encode(
    samples: NDArray[np.integer], colour: int, bits: int, *, interlaced: bool = False, before: Chunks = (), after: Chunks = ()
) -> bytes:  # fmt: skip
    """Encodes samples (h, w, c), of so many bits, as PNG. `before`, `after`: chunks around the pixels."""
    height, width, _ = samples.shape
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
    passes = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7] if interlaced else [samples]
    rows = b"".join(encode_pass(part, bits, 1 + number % 2) for number, part in enumerate(passes) if part.size)
    pixels = zlib.compress(rows, 9)
    half = len(pixels) // 2
    parts = [(b"IHDR", header), *before, (b"IDAT", pixels[:half]), (b"IDAT", pixels[half:]), *after, (b"IEND", b"")]
    return SIGNATURE + b"".join(chunk(*part) for part in parts)


def encode_pass(samples: NDArray[np.integer], bits: int, filter_type: int) -> bytes:
    """Encodes the rows of one pass, filtered by 1 (Sub) or 2 (Up)."""
    height = len(samples)
    if bits < 8:
        flat = samples.reshape(height, -1).astype(np.uint8)
        every_bit = np.unpackbits(flat[:, :, None], axis=2)[:, :, 8 - bits :].reshape(height, -1)
        raw, step = np.packbits(every_bit, axis=1), 1
    else:
        raw = samples.astype(f">u{bits // 8}").reshape(height, -1).view(np.uint8)
        step = samples.shape[2] * bits // 8
    filtered = raw.copy()
    if filter_type == 1:
        filtered[:, step:] -= raw[:, :-step]
    else:
        filtered[1:] -= raw[:-1]
    return np.hstack([np.full((height, 1), filter_type, np.uint8), filtered]).tobytes()


def scale_to_full(samples: NDArray[np.integer], bits: int) -> NDArray[np.integer]:
    """Scales samples of fewer than 8 bits to 8, as PNG defines it; others stay."""
    if bits >= 8:
        return samples.astype(np.uint16 if bits == 16 else np.uint8)
    return (samples * (255 // (2**bits - 1))).astype(np.uint8)
