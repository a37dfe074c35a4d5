"""Draws the pictures in which MTCNN looks for candidates: small faces in photos without any, and those photos alone.

Pictures are (3, h, w) uint8 RGB. The faults are those of `corruptions`, for the face and its surroundings alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ...faceset.format import TRAINING_MARGIN
from ..corruptions import KERNELS, SMALL_FACES, add_faults, gaussian_blur, kernel_matrix, uniform

CROP_PX = (10.0, 40.0)  # of the pasted faces; small ones are drawn more often than by ratio
SMALLER = 1.3  # power of the uniform draw from one to the other
CLEAN_SHARE = 0.4  # of the pictures without faults
ROLLED_SHARE, MAX_ROLL_DEG = 0.3, 40.0
OVERSAMPLED_SHARE = 1 / 3  # pasted at twice the size: the photo's reduction goes over the face's rim, too
SURROUNDINGS = 2.0  # side of the picture, in stored faces
MIN_PICTURE_PX = 48
RIM = 0.02  # sigma of the pasted face's soft rim, in its sides; half of them have one
VIEW_OCTAVES = (-1.6, 0.4)  # by how much a photo's views are reduced or enlarged


def paste_face(face: Tensor, photo: Tensor, random: torch.Generator) -> tuple[Tensor, float]:
    """Pastes a face (3, 144, 144) into a photo: a square picture with the face in its middle, and its crop's side, px."""
    crop_px = CROP_PX[0] * (CROP_PX[1] / CROP_PX[0]) ** (uniform(random, 0, 1) ** SMALLER)
    factor = 2 if uniform(random, 0, 1) < OVERSAMPLED_SHARE else 1
    side = round(crop_px * TRAINING_MARGIN) * factor
    canvas = cut_square(photo, max(MIN_PICTURE_PX * factor, round(side * SURROUNDINGS)), random).float().div(255)
    first = (canvas.shape[-1] - side) // 2
    middle = slice(first, first + side)
    pasted, mask = canvas.clone(), torch.zeros_like(canvas)
    pasted[:, middle, middle] = resize(face.float().div(255), (side, side), draw_kernel(random))
    mask[:, middle, middle] = 1
    if uniform(random, 0, 1) < 0.5:
        mask = gaussian_blur(mask, max(0.3, RIM * side))
    picture = pasted * mask + canvas * (1 - mask)
    if uniform(random, 0, 1) < ROLLED_SHARE:
        picture = rotate(picture, uniform(random, -MAX_ROLL_DEG, MAX_ROLL_DEG))
    picture = resize(picture, tuple(length // factor for length in picture.shape[1:]), draw_kernel(random))
    return finish(picture, random), crop_px


def draw_view(photo: Tensor, random: torch.Generator) -> Tensor:
    """Draws a view of a photo: in another size, mirrored, turned by quarters, with faults, each by chance."""
    factor = 2 ** uniform(random, *VIEW_OCTAVES)
    size = tuple(max(MIN_PICTURE_PX, round(length * factor)) for length in photo.shape[1:])
    picture = resize(photo.float().div(255), size, draw_kernel(random))
    turns = max(0, int(uniform(random, -2, 4)))  # half of them upright
    picture = torch.rot90(picture, turns, (1, 2))
    return finish(picture.flip(2) if uniform(random, 0, 1) < 0.5 else picture, random)


def finish(picture: Tensor, random: torch.Generator) -> Tensor:
    """Adds faults to a picture in [0, 1], CLEAN_SHARE excepted, and rounds it to uint8."""
    if uniform(random, 0, 1) >= CLEAN_SHARE:
        picture = add_faults(picture, SMALL_FACES, random)
    return picture.clamp(0, 1).mul(255).round().byte()


def cut_square(photo: Tensor, side: int, random: torch.Generator) -> Tensor:
    """Cuts a square out of a photo, anywhere; a smaller photo is completed by mirror images."""
    height, width = photo.shape[1:]
    rows, columns = (draw_span(length, side, random) for length in (height, width))
    return photo[:, rows][:, :, columns]


def draw_span(length: int, side: int, random: torch.Generator) -> Tensor:
    """Draws `side` places in a row, mirrored at the ends of a line that is shorter: (side,) indices."""
    start = int(uniform(random, 0, max(1, length - side + 1)))
    places = (torch.arange(side) + start) % (2 * length)
    return torch.minimum(places, 2 * length - 1 - places)


def draw_kernel(random: torch.Generator) -> Callable[[Tensor], Tensor]:
    """Draws one of the kernels by which photos are reduced."""
    return list(KERNELS.values())[int(uniform(random, 0, len(KERNELS)))]


def resize(picture: Tensor, size: Sequence[int], kernel: Callable[[Tensor], Tensor]) -> Tensor:
    """Resizes (3, h, w) to `size`, height and width, antialiased."""
    down, across = (kernel_matrix(*lengths, kernel).to(picture) for lengths in zip(picture.shape[1:], size, strict=True))
    return down @ picture @ across.T


def rotate(picture: Tensor, roll_deg: float) -> Tensor:
    """Rotates a square picture (3, s, s) clockwise about its middle, mirrored at its edges."""
    angle = math.radians(roll_deg)
    cos, sin = math.cos(angle), math.sin(angle)
    grid = F.affine_grid(torch.tensor([[[cos, sin, 0], [-sin, cos, 0]]]), [1, *picture.shape], align_corners=False)
    return F.grid_sample(picture[None], grid, mode="bicubic", padding_mode="reflection", align_corners=False)[0]
