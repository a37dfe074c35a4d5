"""Face alignment: the square around a face, its crop rotated upright for the network, and its rotation back into the photo.

Squares have whole pixels, and are completed by reflection where they leave the photo (the protocol's crop).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..detect.face import Box, longer_side
from ..photo.pixels import Floats, Pixels, to_floats, without_alpha

Matrix = NDArray[np.float64]  # (2, 3) affine: from places in a result to places in its source, both from pixel centres


@dataclass(frozen=True)
class Square:
    """A square of whole photo pixels: columns x to x + side, rows y to y + side. It may leave the photo."""

    x: int
    y: int
    side: int

    def scaled(self, scale: int) -> Square:
        """Returns the same square in a photo enlarged `scale` times."""
        return Square(self.x * scale, self.y * scale, self.side * scale)


def square_around(box_xyxy: Box, margin: float) -> Square:
    """Computes the square with the box's centre and side `margin` times its longer side, rounded to whole pixels.

    Whole pixels, because then the crop and its place in the enlarged photo agree exactly, whatever the scale.
    """
    x0, y0, x1, y1 = box_xyxy
    side = max(1, round(margin * longer_side(box_xyxy)))
    return Square(math.floor((x0 + x1 - side) / 2 + 0.5), math.floor((y0 + y1 - side) / 2 + 0.5), side)


def extract_crop(pixels: Pixels, square: Square, roll_deg: float = 0.0) -> Tensor:
    """Extracts a face's crop from a photo (h, w, c) uint8 or uint16: (3, side, side) RGB in [0, 1].

    Rotated upright where there is a roll; grey is repeated, alpha ignored.
    """
    colours = without_alpha(pixels)
    crop = crop_upright(colours, square, roll_deg) if roll_deg else crop_square(colours, square)
    return torch.from_numpy(to_floats(crop)).permute(2, 0, 1).expand(3, -1, -1).contiguous()


def crop_square(pixels: Pixels, square: Square) -> Pixels:
    """Crops a square: (h, w, c) -> (side, side, c) of the same dtype, reflected about the photo's outermost pixels."""
    rows = reflect_index(np.arange(square.y, square.y + square.side), pixels.shape[0])
    columns = reflect_index(np.arange(square.x, square.x + square.side), pixels.shape[1])
    return pixels[rows[:, None], columns]


def crop_upright(pixels: Pixels, square: Square, roll_deg: float) -> Pixels:
    """Crops the square rotated clockwise by `roll_deg` about its centre: (h, w, c) -> (side, side, c), the head upright.

    Sampled bicubically; completed by reflection where it leaves the photo.
    """
    bounds = bounding_square(square)
    source = np.ascontiguousarray(crop_square(pixels, bounds))  # small, for warpAffine takes at most 32767 pixels a side
    return warp(source, rotation_matrix(square.side, bounds.side, roll_deg), square.side, cv2.INTER_CUBIC)


def rotate_back(values: Floats, mask: Floats, square: Square, roll_deg: float) -> tuple[Square, Floats, Floats]:
    """Rotates an upright face (side, side, c) in [0, 1] and its mask (side, side) into the photo, about the square's centre.

    Returns the bounding square in the photo, with side b, the face (b, b, c), and the mask (b, b), zero where the face is not.
    """
    bounds = bounding_square(square)
    matrix = rotation_matrix(bounds.side, square.side, -roll_deg)
    face = warp(values, matrix, bounds.side, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
    weight = warp(mask, matrix, bounds.side, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
    return bounds, face.clip(0, 1), weight


def reflect_index(index: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """Reflects indices into [0, length) about the first and last pixel, as often as it takes."""
    if length == 1:
        return np.zeros_like(index)
    period = 2 * (length - 1)
    folded = np.abs(index) % period
    return np.minimum(folded, period - folded)


def bounding_square(square: Square) -> Square:
    """Computes a square with the same centre that holds the given one at any rotation, with room for bicubic sampling."""
    room = math.ceil(square.side * (math.sqrt(2) - 1) / 2) + 2
    return Square(square.x - room, square.y - room, square.side + 2 * room)


def rotation_matrix(result_side: int, source_side: int, angle_deg: float) -> Matrix:
    """Builds the affine matrix from the pixels of a square, rotated clockwise, to those of another with the same centre."""
    angle = math.radians(angle_deg)
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    result_centre, source_centre = np.full(2, (result_side - 1) / 2), np.full(2, (source_side - 1) / 2)
    return np.column_stack([rotation, source_centre - rotation @ result_centre])


def warp(source: Pixels, matrix: Matrix, side: int, interpolation: int, border: int = cv2.BORDER_REFLECT_101) -> Pixels:
    """Applies an affine warp: (h, w[, c]) sampled at the places of `matrix` -> (side, side[, c]); a single channel stays."""
    result = cv2.warpAffine(source, matrix, (side, side), flags=interpolation | cv2.WARP_INVERSE_MAP, borderMode=border)
    return result.reshape(side, side, *source.shape[2:])
