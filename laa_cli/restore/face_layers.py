"""Keeps what a paste puts together: each restored face with its mask as pixels of its own, and the picture beneath."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..photo.pixels import Floats, Pixels, has_alpha, without_alpha
from .paste import Patch, Window, visible_window


@dataclass(frozen=True)
class FaceLayer:
    """A restored face by itself: its number among all faces, from 1, where it lies in the enlarged photo, and what is pasted.

    `pixels`: (window's height, width, 2 or 4) of the photo's dtype, grey or RGB, the mask as straight alpha.
    """

    number: int
    window: Window
    pixels: Pixels
    name: str = ""  # the person's, where it is known


@dataclass(frozen=True)
class Layers:
    """The faces of an enlarged photo, and what it showed in the window of each, (height, width, c), before they were pasted."""

    faces: tuple[FaceLayer, ...]
    beneath: tuple[Pixels, ...]

    def lift(self, pixels: Pixels) -> None:
        """Takes the faces off the enlarged photo, (h, w, c) as they were pasted onto, in place."""
        for face, beneath in zip(self.faces, self.beneath, strict=True):
            pixels[face.window.slices()] = beneath


def keep_layers(pixels: Pixels, patches: Iterable[tuple[int, str, Patch]]) -> Layers:
    """Copies from an enlarged photo (h, w, c), before a paste, what the patches will change, and the patches as layers.

    `patches`: of each face its number, its name or "", and its patch.
    """
    placed = [(number, name, patch, visible_window(patch.square, pixels)) for number, name, patch in patches]
    visible = [each for each in placed if not each[-1].empty]
    faces = [FaceLayer(number, window, face_pixels(pixels, patch, window), name) for number, name, patch, window in visible]
    return Layers(tuple(faces), tuple(pixels[face.window.slices()].copy() for face in faces))


def face_pixels(pixels: Pixels, patch: Patch, window: Window) -> Pixels:
    """Rounds the visible part of a patch to the photo's levels; where the photo is transparent the face is, too."""
    there = window.slices(patch.square.y, patch.square.x)
    values, mask = patch.values[there], patch.mask[there][..., None]
    if has_alpha(pixels):
        mask = mask * (pixels[window.slices()][..., -1:] > 0)
    face = np.empty((*values.shape[:2], values.shape[2] + 1), pixels.dtype)
    without_alpha(face)[:], face[..., -1:] = to_levels(values, pixels.dtype), to_levels(mask, pixels.dtype)
    return face


def to_levels(values: Floats, dtype: np.dtype[Any]) -> Pixels:
    """Rounds values in [0, 1] to an integer dtype's full range."""
    top = np.iinfo(dtype).max
    return np.rint(values * np.float32(top)).clip(0, top).astype(dtype)
