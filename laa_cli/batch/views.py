"""Small pictures of a result for the gallery: the photo before and after, and its restored faces, all as JPEG."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..crop import Square, crop_square
from ..files import write_atomically
from ..photo import encode_thumbnail
from ..pixels import Pixels, blend_on_white, to_rgb8

LONGEST_PX = 900  # of the photo, before and after
FACE_PX = 96  # a face's side, before as well as after
FACES = 500  # at most in a picture, whose height JPEG limits

Thumbnails = dict[str, bytes]  # "before", "after" and, where there are restored faces, "faces"


def make_thumbnails(before: Pixels, after: Pixels, squares: list[Square], scale: int) -> Thumbnails:
    """`before`: the photo, `after`: enlarged `scale` times; `squares`: of the restored faces, in pixels of the photo.

    "faces": (96 n, 192, 3), a row for each face, on the left before, on the right after.
    """
    pictures = {"before": shrink_to_fit(before), "after": shrink_to_fit(after)}
    if squares:
        pictures["faces"] = np.vstack([face_row(before, after, square, scale) for square in squares[:FACES]])
    return {kind: encode_thumbnail(rgb) for kind, rgb in pictures.items()}


def shrink_to_fit(pixels: Pixels) -> NDArray[np.uint8]:
    """(h, w, 3) RGB with sides of LONGEST_PX at most."""
    factor = LONGEST_PX / max(pixels.shape[:2])
    if factor < 1:
        size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1)
    return to_rgb8(blend_on_white(pixels) if pixels.dtype == np.uint8 else pixels)


def face_row(before: Pixels, after: Pixels, square: Square, scale: int) -> NDArray[np.uint8]:
    """One row: (96, 192, 3)."""
    enlarged = replace(square, x=square.x * scale, y=square.y * scale, side=square.side * scale)
    return np.hstack([thumbnail(crop_square(before, square)), thumbnail(crop_square(after, enlarged))])


def thumbnail(pixels: Pixels) -> NDArray[np.uint8]:
    """(96, 96, 3) RGB of a square."""
    kind = cv2.INTER_AREA if pixels.shape[0] > FACE_PX else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(to_rgb8(pixels), (FACE_PX, FACE_PX), interpolation=kind), np.uint8)


def thumbnail_path(output_sha256: str, kind: str) -> str:
    """Where a view lies, relative to the folder of the results; named after the result's content, so that it is never stale."""
    return f".laa/{output_sha256[:2]}/{output_sha256[:32]}.{kind}.jpg"


def write_thumbnails(pictures: Thumbnails, out: Path, output_sha256: str) -> None:
    """Writes the views of a result. Raises LaaError."""
    for kind, content in pictures.items():
        write_atomically(out / thumbnail_path(output_sha256, kind), content, overwrite=True)
