"""Blends restored faces into the enlarged photo with feathered masks: in any order alike, touching nothing but the faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from models.protocol import resize

from ..photo.pixels import Floats, Pixels
from ..utils.tensor_ops import LUMA
from .alignment import Square, rotate_back


@dataclass(frozen=True)
class Patch:
    """A restored face and where it belongs: `square` in pixels of the enlarged photo, `values` (side, side, c) in [0, 1].

    `mask`: (side, side) in [0, 1], the face's alpha: how much of the photo it replaces.
    """

    square: Square
    values: Floats
    mask: Floats


@dataclass(frozen=True)
class Window:
    """A rectangle inside the photo: rows top to bottom, columns left to right (ends excluded)."""

    top: int
    bottom: int
    left: int
    right: int

    def intersect(self, other: Window) -> Window:
        """Returns the intersection; it may be empty."""
        return Window(
            max(self.top, other.top), min(self.bottom, other.bottom), max(self.left, other.left), min(self.right, other.right)
        )

    @property
    def empty(self) -> bool:
        """Whether no pixel lies in it."""
        return self.top >= self.bottom or self.left >= self.right

    def slices(self, y: int = 0, x: int = 0) -> tuple[slice, slice]:
        """Returns the index of the window in an array whose first pixel lies at row y, column x of the photo."""
        return slice(self.top - y, self.bottom - y), slice(self.left - x, self.right - x)


def make_patch(face: Tensor, square: Square, roll_deg: float, *, scale: int, feather: float, channels: int) -> Patch:
    """Brings a restored face (3, 128, 128) RGB in [0, 1] to its place and size in the photo enlarged `scale` times.

    `square`, `roll_deg`: its crop in the photo before; `feather`: see `feather_mask`; `channels`: 1 grey, 3 RGB.
    """
    square = square.scaled(scale)
    values: Floats = resize(face[None], square.side)[0].clamp(0, 1).permute(1, 2, 0).numpy()
    if channels == 1:
        values = values @ np.array(LUMA, np.float32)[:, None]
    mask = feather_mask(square.side, feather)
    return Patch(*rotate_back(values, mask, square, roll_deg)) if roll_deg else Patch(square, values, mask)


def paste(canvas: Pixels, patches: list[Patch]) -> None:
    """Blends the patches into `canvas`, (h, w, c) uint8 or uint16, in place. Pixels outside every square keep their values.

    Where faces overlap each counts by its own mask.
    """
    patches = [patch for patch in patches if not visible_window(patch.square, canvas).empty]
    windows = [visible_window(patch.square, canvas) for patch in patches]
    # All results are computed before the first is written, since they start from the untouched photo.
    blended = [blend(canvas, window, patches, windows) for window in windows]
    for window, values in zip(windows, blended, strict=True):
        canvas[window.slices()] = values


def blend(canvas: Pixels, window: Window, patches: list[Patch], windows: list[Window]) -> Pixels:
    """Blends, inside one face's window, all faces that reach into it: (window's height, width, c) of the canvas's dtype.

    `windows`: the visible part of each patch.
    """
    photo = canvas[window.slices()]
    weighted = np.zeros(photo.shape, np.float32)
    weights = np.zeros((*photo.shape[:2], 1), np.float32)
    transmittance = np.ones_like(weights)  # how much of the photo shows through: what every mask leaves of it
    for patch, other in zip(patches, windows, strict=True):
        shared = window.intersect(other)
        if shared.empty:
            continue
        here, there = shared.slices(window.top, window.left), shared.slices(patch.square.y, patch.square.x)
        mask = patch.mask[there][..., None]
        weighted[here] += mask * patch.values[there]
        weights[here] += mask
        transmittance[here] *= 1 - mask
    top = np.iinfo(canvas.dtype).max
    faces = weighted / np.maximum(weights, 1e-6) * top
    blended = np.rint(photo * transmittance + faces * (1 - transmittance))
    return np.clip(blended, 0, top).astype(canvas.dtype)


def feather_mask(side: int, feather: float) -> Floats:
    """Builds a feathered mask (side, side) in [0, 1]: zero at the rim, rising smoothly to one `feather` (0..0.5) sides inward.

    The product of two smooth ramps is level at the rim and at the top in both directions, so that neither shows as a line.
    """
    depth = np.minimum(np.arange(side) + 0.5, side - 0.5 - np.arange(side))  # from each pixel's centre to the rim, px
    ramp = np.clip(depth / max(feather * side, 0.5), 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return np.outer(ramp, ramp).astype(np.float32)


def visible_window(square: Square, canvas: Pixels) -> Window:
    """Clips a square to the photo."""
    whole = Window(0, canvas.shape[0], 0, canvas.shape[1])
    return Window(square.y, square.y + square.side, square.x, square.x + square.side).intersect(whole)
