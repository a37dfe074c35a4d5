"""Pixels of results, read by other libraries than laa's, and compared with those that they should be."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

Shares = NDArray[np.float64]  # (h, w, 1-4), in [0, 1]


def read(path: Path) -> Shares:
    """Reads a PNG or a TIFF at its full depth, other formats by Pillow."""
    content = path.read_bytes()
    if path.suffix == ".png":
        stored: NDArray[Any] = imagecodecs.png_decode(content)
    elif path.suffix in (".tif", ".tiff"):
        stored = tifffile.imread(io.BytesIO(content), maxworkers=1)
    else:
        with Image.open(io.BytesIO(content)) as image:
            stored = np.asarray(image)
    shares: Shares = stored.reshape(*stored.shape[:2], -1) / np.iinfo(stored.dtype).max
    return shares


def to_rgba(pixels: Shares) -> Shares:
    """Repeats grey and adds an alpha of 1, where that is missing."""
    height, width, channels = pixels.shape
    colours = pixels[:, :, :1].repeat(3, 2) if channels < 3 else pixels[:, :, :3]
    alpha = pixels[:, :, -1:] if channels in (2, 4) else np.ones((height, width, 1))
    return np.concatenate([colours, alpha], 2)


def difference(found: Shares, expected: Shares) -> float:
    """The largest difference of two pictures; infinite where their sizes differ. Colours count as far as they are seen."""
    if found.shape[:2] != expected.shape[:2]:
        return float("inf")
    one, other = to_rgba(found), to_rgba(expected)
    exact = float(np.abs(one - other).max())
    seen = [np.concatenate([pixels[:, :, :3] * pixels[:, :, 3:], pixels[:, :, 3:]], 2) for pixels in (one, other)]
    return min(exact, float(np.abs(seen[0] - seen[1]).max()))
