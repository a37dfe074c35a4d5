"""Converts pixels: bit depth, grey and colour, alpha, orientation. Arrays are (h, w, c): grey, grey+alpha, RGB or RGBA."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]  # uint8 or uint16
Floats = NDArray[np.float32]
BLOCK_BYTES = 1 << 24  # temporaries stay this small, whatever the size of the photo


def row_blocks(pixels: Pixels, block_bytes: int | None = None, multiple: int = 1) -> Iterator[slice]:
    """Yields slices of rows that together cover an array (h, w, ...), each of about `block_bytes`, by default BLOCK_BYTES.

    `multiple`: what the rows of all but the last are a multiple of.
    """
    height, rows = pixels.shape[0], (block_bytes or BLOCK_BYTES) // max(1, pixels[:1].nbytes)
    step = max(multiple, rows // multiple * multiple)
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))


def has_alpha(pixels: Pixels) -> bool:
    """Checks whether the last channel is alpha."""
    return pixels.shape[2] in (2, 4)


def without_alpha(pixels: Pixels) -> Pixels:
    """Returns a view without alpha: (h, w, 1) grey or (h, w, 3) RGB."""
    return pixels[..., :-1] if has_alpha(pixels) else pixels


def to_rgb8(pixels: Pixels) -> NDArray[np.uint8]:
    """Converts to (h, w, 3) uint8 RGB: grey repeated, 16 bits rounded to 8, alpha left out."""
    return np.ascontiguousarray(gray_to_color(to_8bit(without_alpha(pixels))), dtype=np.uint8)


def to_floats(pixels: Pixels) -> Floats:
    """Converts uint8 or uint16 to float32 in [0, 1], of the same shape."""
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def to_8bit(pixels: Pixels) -> NDArray[np.uint8]:
    """Converts to (h, w, c) uint8: 16 bits by v*255/65535 rounded to nearest; 8-bit arrays come back as they are."""
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    result = np.empty(pixels.shape, np.uint8)
    for rows in row_blocks(pixels):
        result[rows] = (pixels[rows].astype(np.uint32) + 128) // 257  # 65535 = 255 * 257
    return result


def gray_to_color(pixels: Pixels) -> Pixels:
    """Converts grey to RGB and grey+alpha to RGBA, (h, w, 3 or 4); colour comes back as it is."""
    channels = pixels.shape[2]
    if channels >= 3:
        return pixels
    return pixels[:, :, [0, 0, 0]] if channels == 1 else pixels[:, :, [0, 0, 0, 1]]


def blend_on_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blends (composites) pixels on white by their alpha: (h, w, 1 or 3) uint8; arrays without alpha come back as they are."""
    channels = pixels.shape[2]
    if channels in (1, 3):
        return pixels
    result = np.empty((*pixels.shape[:2], channels - 1), np.uint8)
    for rows in row_blocks(pixels):
        alpha = pixels[rows, :, -1:].astype(np.uint32)
        result[rows] = (pixels[rows, :, :-1] * alpha + 255 * (255 - alpha) + 127) // 255
    return result


def apply_orientation(pixels: Pixels, orientation: int) -> Pixels:
    """Rotates and mirrors pixels (h, w, c) as an EXIF orientation (1-8) demands."""
    upright = {
        2: lambda: pixels[:, ::-1],
        3: lambda: pixels[::-1, ::-1],
        4: lambda: pixels[::-1],
        5: lambda: pixels.swapaxes(0, 1),
        6: lambda: np.rot90(pixels, -1),
        7: lambda: pixels[::-1, ::-1].swapaxes(0, 1),
        8: lambda: np.rot90(pixels),
    }.get(orientation, lambda: pixels)()
    result = np.ascontiguousarray(upright)
    return result.copy() if min(result.strides) < 0 else result  # those of sides of one pixel, which torch refuses


def unpremultiply_alpha(pixels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Undoes the premultiplication of colours by alpha: (h, w, 4) uint16 RGBA -> the same shape."""
    result = pixels.copy()
    for rows in row_blocks(pixels):
        alpha = pixels[rows, :, -1:].astype(np.uint64)
        colour = (pixels[rows, :, :-1] * np.uint64(65535) + alpha // 2) // np.maximum(alpha, 1)
        result[rows, :, :-1] = np.minimum(colour, 65535)
    return result
