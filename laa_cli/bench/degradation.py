"""What photos go through before laa gets them (reduction, enlargement, blur, noise, JPEG), done to pictures of known truth."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from models.protocol import reduce

from ..errors import UsageError
from ..photo.pixels import Floats

Levels = NDArray[np.uint8]  # (h, w, c), RGB or grey
Size = tuple[int, int]  # height and width, px
CLEAN = "clean"


@dataclass(frozen=True)
class Degradation:
    """What a photo does to a picture, in this order: reduction, enlargement, blur, noise, rounding to 8 bits, JPEG (4:2:0)."""

    lanczos: bool = False  # Pillow's, as photo editors reduce; otherwise the protocol's antialiased bicubic
    enlarged: bool = False  # reduced to half of the size, and enlarged to it bicubically
    blur_px: float = 0  # sigma of a Gaussian, in px of the photo
    noise: float = 0  # sigma of Gaussian noise on each channel, in levels of 255
    jpeg_quality: int | None = None


DEGRADATIONS = {
    CLEAN: Degradation(),
    "jpeg90": Degradation(jpeg_quality=90),
    "jpeg75": Degradation(jpeg_quality=75),
    "jpeg50": Degradation(jpeg_quality=50),
    "noise5": Degradation(noise=5),
    "mixed": Degradation(lanczos=True, blur_px=0.5, noise=3, jpeg_quality=60),
    "enlarged": Degradation(enlarged=True),
}
FACE_FAULTS = (CLEAN, "jpeg75", "jpeg50", "noise5", "mixed")  # of the curves over the face's size
PICTURE_FAULTS = tuple(DEGRADATIONS)  # of whole pictures


def find_degradation(fault: str) -> Degradation:
    """Returns the degradation of that name. UsageError on one that is not in DEGRADATIONS."""
    if fault not in DEGRADATIONS:
        raise UsageError(f"unknown fault {fault!r}: use one of {', '.join(DEGRADATIONS)}")
    return DEGRADATIONS[fault]


def degrade_picture(truth: Levels, size: Size, degradation: Degradation, seed: int = 0) -> Levels:
    """Degrades one picture: (h, w, c) uint8, RGB or grey -> (*size, c) uint8.

    The noise follows from the picture's pixels, its width and the seed.
    """
    half = (max(1, size[0] // 2), max(1, size[1] // 2))
    reduced = (reduce_lanczos if degradation.lanczos else resize_bicubic)(truth, half if degradation.enlarged else size)
    values: Floats = (resize_bicubic(reduced, size) if degradation.enlarged else reduced).astype(np.float32)
    if degradation.blur_px:
        values = cv2.GaussianBlur(values, (0, 0), degradation.blur_px).reshape(values.shape).astype(np.float32)
    if degradation.noise:
        random = np.random.default_rng([seed, size[1], zlib.crc32(truth.tobytes())])
        values = values + degradation.noise * random.standard_normal(values.shape, np.float32)
    rounded = values.round().clip(0, 255).astype(np.uint8)
    return jpeg_roundtrip(rounded, degradation.jpeg_quality) if degradation.jpeg_quality else rounded


def to_uint8(picture: Tensor) -> Levels:
    """Converts (c, h, w) in [0, 1] to (h, w, c) uint8."""
    return np.ascontiguousarray(picture.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy())


def to_tensor(pixels: Levels) -> Tensor:
    """Converts (h, w, c) uint8 to (1, c, h, w) in [0, 1]."""
    return torch.tensor(pixels).permute(2, 0, 1).unsqueeze(0).float().div(255)  # a copy, for the array may be read-only


def resize_bicubic(pixels: Levels, size: Size) -> Levels:
    """Resizes (h, w, c) uint8 to (*size, c) uint8 by the protocol's antialiased bicubic."""
    return to_uint8(reduce(to_tensor(pixels), size)[0])


def reduce_lanczos(pixels: Levels, size: Size) -> Levels:
    """Resizes (h, w, c) uint8 to (*size, c) uint8 by Pillow's Lanczos filter."""
    reduced = to_image(pixels).resize((size[1], size[0]), Image.Resampling.LANCZOS)
    return np.asarray(reduced).reshape(*size, pixels.shape[2])


def jpeg_roundtrip(pixels: Levels, quality: int) -> Levels:
    """Encodes (h, w, c) uint8, RGB or grey, as JPEG with 4:2:0 chroma subsampling, and decodes it."""
    file = io.BytesIO()
    to_image(pixels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(file) as picture:
        return np.asarray(picture).reshape(pixels.shape)


def to_image(pixels: Levels) -> Image.Image:
    """Converts (h, w, 1 or 3) uint8 to Pillow's grey or RGB image."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
