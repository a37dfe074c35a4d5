"""Converts a TIFF's samples, as they are stored, to a photo's pixels: bits, inverted grey, palettes, CMYK, L*a*b*, alpha."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .colours import to_srgb
from .pixels import Pixels, row_blocks, unpremultiply_alpha
from .tiff import TiffPhoto, open_with_libtiff, read_samples
from .tiff_layout import CIELAB, CMYK, GREY_INVERTED, ICCLAB, PALETTE


def read_tiff_pixels(tiff: TiffPhoto, content: bytes, icc: bytes | None) -> Pixels:
    """Decodes a supported TIFF as it is stored, not turned upright: (h, w, 1-4) uint8 or uint16.

    `icc`: its colour profile, for CMYK. ValueError and others where it is damaged.
    """
    if tiff.needs_libtiff:
        return read_with_libtiff(tiff, content, icc)
    layout = tiff.layout
    samples = read_samples(tiff, content)
    if layout.photometric == PALETTE:
        colours = look_up(samples[..., 0], tiff.page.colormap, layout.bits)
    elif layout.photometric in (CMYK, CIELAB, ICCLAB):
        colours = convert_colours(samples[..., : layout.colours], layout.photometric, icc)
    else:
        colours = widen(samples[..., : layout.colours], layout.bits)
    if layout.photometric == GREY_INVERTED:
        colours = np.iinfo(colours.dtype).max - colours
    if layout.alpha is None:
        return np.ascontiguousarray(colours)
    alpha = widen(samples[..., layout.alpha, None], layout.bits)
    alpha = alpha if alpha.dtype == colours.dtype else (alpha // 257).astype(colours.dtype)
    pixels = np.concatenate([colours, alpha], 2)
    return unpremultiply(pixels) if layout.premultiplied else pixels


def read_with_libtiff(tiff: TiffPhoto, content: bytes, icc: bytes | None) -> NDArray[np.uint8]:
    """Decodes an 8-bit TIFF, as `read_tiff_pixels` does, of a kind that tifffile does not decode."""
    with open_with_libtiff(tiff, content) as image:
        grey = image.mode in ("1", "L")
        return np.array(image.convert("L") if grey else to_srgb(image, icc)).reshape(
            image.height, image.width, 1 if grey else 3
        )


def widen(samples: NDArray[Any], bits: int) -> Pixels:
    """Brings samples of 1 to 16 bits to the full range of 8 or 16."""
    if bits in (8, 16):
        return samples
    top, full = (1 << bits) - 1, np.iinfo(samples.dtype).max
    table = (np.arange(top + 1, dtype=np.uint32) * full + top // 2) // top
    return map_values(table.astype(samples.dtype), samples)


def look_up(indices: NDArray[Any], colormap: NDArray[np.uint16] | None, bits: int) -> NDArray[np.uint8]:
    """Replaces indices (h, w) into a palette by its colours, (h, w, 3). ValueError where the palette is damaged."""
    if colormap is None or colormap.shape != (3, 1 << bits):
        raise ValueError("its palette is damaged")
    return map_values((colormap.T // 256).astype(np.uint8), indices)


def map_values(table: NDArray[Any], indices: NDArray[Any]) -> NDArray[Any]:
    """Looks indices (h, w, ...) up in a table, whose entries may be arrays."""
    result = np.empty((*indices.shape, *table.shape[1:]), table.dtype)
    for rows in row_blocks(indices):
        result[rows] = table[indices[rows]]
    return result


def convert_colours(samples: NDArray[Any], photometric: int, icc: bytes | None) -> NDArray[np.uint8]:
    """Converts CMYK (h, w, 4) or L*a*b* (h, w, 3) to 8-bit sRGB (h, w, 3), of 16 bits by their upper 8."""
    upper = samples if samples.dtype == np.uint8 else (samples >> 8).astype(np.uint8)
    result = np.empty((*samples.shape[:2], 3), np.uint8)
    if photometric == ICCLAB:  # whose a and b begin at -128
        upper = upper ^ np.array([0, 128, 128], np.uint8)
    mode = "CMYK" if photometric == CMYK else "LAB"
    for rows in row_blocks(upper):
        part = np.ascontiguousarray(upper[rows])
        image = Image.frombytes(mode, part.shape[1::-1], part.tobytes(), "raw", mode)
        result[rows] = np.asarray(to_srgb(image, icc))
    return result


def unpremultiply(pixels: Pixels) -> Pixels:
    """Undoes the premultiplication of colours by alpha, in 8 bits as Pillow does: (h, w, 2 or 4) -> the same."""
    if pixels.dtype == np.uint16:
        return unpremultiply_alpha(pixels)
    mode = "La" if pixels.shape[2] == 2 else "RGBa"
    for rows in row_blocks(pixels):
        image = Image.frombytes(mode, pixels[rows].shape[1::-1], pixels[rows].tobytes())
        pixels[rows] = np.asarray(image.convert(mode.upper()))
    if mode == "RGBa":  # where nothing can be undone
        pixels[pixels[..., -1] == 0] = 0
    return pixels
