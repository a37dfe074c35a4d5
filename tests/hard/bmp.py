"""BMPs of kinds that Pillow does not write: 16 bits, runs, rows from the top."""

from __future__ import annotations

import struct

import numpy as np

from .pictures import scene_samples


def bmp(header: bytes, pixels: bytes, colours: bytes = b"") -> bytes:
    """Puts a BMP together."""
    offset = 14 + len(header) + len(colours)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + header + colours + pixels


def bmp_16bit() -> bytes:
    """A BMP of 5-6-5 bits."""
    r, g, b = scene_samples(3, 8).transpose(2, 0, 1) >> np.array([3, 2, 3])[:, None, None]
    height, width = r.shape
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 16, 3, 0, 2835, 2835, 0, 0)
    return bmp(header, (r << 11 | g << 5 | b)[::-1].astype("<u2").tobytes(), struct.pack("<III", 0xF800, 0x7E0, 0x1F))


def bmp_rle() -> bytes:
    """A BMP of runs, 8 bits with a palette."""
    rows = scene_samples(1, 8)[::-1, :, 0]
    pixels = b"".join(b"".join(bytes([1, value]) for value in row.tolist()) + b"\0\0" for row in rows) + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, rows.shape[1], len(rows), 1, 8, 1, len(pixels), 0, 0, 256, 0)
    return bmp(header, pixels, b"".join(bytes([i, i, i, 0]) for i in range(256)))


def bmp_top_down() -> bytes:
    """A BMP whose rows begin at the top."""
    samples = scene_samples(3, 8).astype(np.uint8)
    header = struct.pack("<IiiHHIIiiII", 40, samples.shape[1], -samples.shape[0], 1, 24, 0, 0, 0, 0, 0, 0)
    return bmp(header, samples[:, :, ::-1].tobytes())
