"""Upscaling the background: what becomes of the photo outside the faces."""

from __future__ import annotations

from ..photo.pixels import Pixels
from ..photo.resample import enlarge


class PlainUpscaler:
    """Enlarges by bicubic interpolation: a BackgroundUpscaler without a network."""

    def __call__(self, pixels: Pixels, scale: int) -> Pixels:
        """`pixels`: (h, w, c) uint8 or uint16 -> (scale h, scale w, c) of the same type."""
        return enlarge(pixels, scale)
