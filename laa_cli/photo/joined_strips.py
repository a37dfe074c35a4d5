"""Encodes JPEG and BMP in strips with Pillow, side by side, and joins them: Pillow's own copy is never of the whole photo.

A JPEG's strips are joined at restart markers, where a decoder starts anew: each block of 8x8 is coded as in one piece.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .jpeg import FRAMES, read_frame
from .metadata.jpeg_segments import read_segments
from .pixels import Pixels, row_blocks
from .strips import map_strips

RESTART_EACH_ROW = {"restart_marker_rows": 1}  # of blocks
JPEG_STRIP_ROWS = 64  # or a multiple: the eight restart markers, each after a row of blocks
LAST_RESTART, EOI_BYTES = b"\xff\xd7", 2
BMP_SIZE, BMP_START, BMP_HEIGHT, BMP_PIXEL_BYTES = 2, 10, 22, 34  # places of 32-bit numbers in its header

Convert = Callable[[Pixels], NDArray[np.uint8]]  # of rows (h, w, c) to what the format holds, (h, w, 1 or 3) of 8 bits


def save(kind: str, pixels: NDArray[np.uint8], options: dict[str, Any]) -> bytes:
    """Encodes 8-bit pixels (h, w, c) with Pillow and its options."""
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(pixels: Pixels, convert: Convert, quality: dict[str, Any], metadata: dict[str, Any]) -> bytes:
    """Encodes (h, w, c) as JPEG. `quality`, `metadata`: Pillow's options; subsampling must be 4:4:4."""
    blocks = list(row_blocks(pixels, multiple=JPEG_STRIP_ROWS))
    if len(blocks) == 1:
        return save("JPEG", convert(pixels), quality | metadata)

    def encode_strip(rows: slice) -> bytes:
        return save("JPEG", convert(pixels[rows]), quality | RESTART_EACH_ROW | (metadata if rows.start == 0 else {}))

    file = io.BytesIO()
    for rows, strip in zip(blocks, map_strips(encode_strip, blocks), strict=True):
        if rows.start == 0:
            file.write(with_jpeg_height(strip, pixels.shape[0])[:-EOI_BYTES])
        else:
            file.write(LAST_RESTART + strip[scan_start(strip) : -EOI_BYTES])
    file.write(strip[-EOI_BYTES:])
    return file.getvalue()


def scan_start(content: bytes) -> int:
    """Finds where the first scan's data begin in an intact JPEG."""
    frame = read_frame(content)
    assert frame is not None  # it was just written
    return frame.data_start


def with_jpeg_height(content: bytes, height: int) -> bytes:
    """Returns a JPEG whose header claims another height."""
    place = next(start for marker, start, _ in read_segments(content) if marker in FRAMES)
    return content[: place + 5] + struct.pack(">H", height) + content[place + 7 :]


def bmp(pixels: Pixels, convert: Convert, options: dict[str, Any]) -> bytes:
    """Encodes (h, w, c) as BMP, whose rows go from the bottom upwards. `options`: Pillow's."""
    file = io.BytesIO()
    blocks = list(row_blocks(pixels))[::-1]
    for strip in map_strips(lambda rows: save("BMP", convert(pixels[rows]), options), blocks):
        start = struct.unpack_from("<I", strip, BMP_START)[0]
        file.write(strip[start:] if file.tell() else strip)
    size = file.tell()
    for place, value in ((BMP_SIZE, size), (BMP_HEIGHT, pixels.shape[0]), (BMP_PIXEL_BYTES, size - start)):
        file.seek(place)
        file.write(struct.pack("<I", value))
    return file.getvalue()
