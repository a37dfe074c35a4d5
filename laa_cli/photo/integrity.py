"""Finds files that are cut short, or cannot hold what they claim, before their pixels are spread out in memory.

Only what libraries do not find by themselves: theirs refuse WebP and AVIF on opening, `tiff` refuses TIFF, and a GIF
takes no more memory than it has data for.
"""

from __future__ import annotations

import io

from PIL import Image
from PIL.ImageFile import ImageFile

from .jpeg import check_jpeg


def check_content(image: ImageFile, content: bytes) -> None:
    """Checks a photo's file, as far as that is cheap and certain. Raises ValueError and what Pillow raises on damage."""
    if image.format in ("JPEG", "MPO"):
        frame = check_jpeg(content)
        if frame is not None and frame.arithmetic:
            image.decodermaxblock = len(content)  # libjpeg takes arithmetic-coded data in one piece only
    elif image.format == "PNG":
        with Image.open(io.BytesIO(content), formats=("PNG",)) as copy:
            copy.verify()  # loading does not look at the checksums of the pixels
    elif image.format == "BMP":
        check_bmp(image, content)


def check_bmp(image: ImageFile, content: bytes) -> None:
    """Raises ValueError where a BMP that is not compressed ends before the last row of its pixels."""
    for codec, _, offset, arguments in image.tile:
        _, row_bytes, _ = arguments if codec == "raw" and isinstance(arguments, tuple) else ("", 0, 0)
        if offset + row_bytes * (image.height - 1) > len(content):
            raise ValueError(f"{len(content)} bytes cannot hold {image.width}x{image.height} pixels")
