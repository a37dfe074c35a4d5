"""What becomes of a face in a photo: its size there, and the faults that cameras and files add."""

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

from ..errors import Exit, LaaError
from ..pixels import Floats

FACE_SIZES_PX = (12, 16, 20, 24, 32, 48, 64, 96)  # sides of the crop in the photo


@dataclass(frozen=True)
class Degradation:
    """What a photo does to a face, in this order: reduction, blur, noise, rounding to 8 bits, JPEG (4:2:0)."""

    lanczos: bool = False  # Pillow's, as photo editors reduce; otherwise the protocol's antialiased bicubic
    blur_px: float = 0  # sigma of a Gaussian, in px of the photo
    noise: float = 0  # sigma of Gaussian noise on each channel, in levels of 255
    jpeg_quality: int | None = None


DEGRADATIONS = {
    "clean": Degradation(),
    "jpeg75": Degradation(jpeg_quality=75),
    "jpeg50": Degradation(jpeg_quality=50),
    "noise5": Degradation(noise=5),
    "mixed": Degradation(lanczos=True, blur_px=0.5, noise=3, jpeg_quality=60),
}


def degrade(truth: Tensor, side_px: int, fault: str, seed: int = 0) -> Tensor:
    """Faces as a photo shows them: (n, 3, 128, 128) RGB in [0, 1] -> (n, 3, side, side), 8-bit levels in [0, 1].

    The noise of a face follows from its pixels, its size and the seed, not from its place in the batch.
    LaaError on a fault that is not in FAULTS.
    """
    if fault not in DEGRADATIONS:
        raise LaaError(f"unknown fault {fault!r}: use one of {', '.join(DEGRADATIONS)}", Exit.USAGE)
    levels = np.stack([degrade_face(face, side_px, DEGRADATIONS[fault], seed) for face in truth])
    return torch.from_numpy(levels).permute(0, 3, 1, 2).float().div(255)


def degrade_face(face: Tensor, side_px: int, fault: Degradation, seed: int) -> NDArray[np.uint8]:
    """One face (3, 128, 128) in [0, 1] -> (side, side, 3) uint8."""
    whole = to_uint8(face)
    pixels = reduce_lanczos(whole, side_px) if fault.lanczos else to_uint8(reduce(face[None], side_px)[0])
    values: Floats = pixels.astype(np.float32)
    if fault.blur_px:
        values = cv2.GaussianBlur(values, (0, 0), fault.blur_px).astype(np.float32)
    if fault.noise:
        random = np.random.default_rng([seed, side_px, zlib.crc32(whole.tobytes())])
        values = values + fault.noise * random.standard_normal(values.shape, np.float32)
    rounded = values.round().clip(0, 255).astype(np.uint8)
    return jpeg_roundtrip(rounded, fault.jpeg_quality) if fault.jpeg_quality else rounded


def to_uint8(face: Tensor) -> NDArray[np.uint8]:
    """(3, h, w) in [0, 1] -> (h, w, 3) uint8."""
    return np.ascontiguousarray(face.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy())


def reduce_lanczos(pixels: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 -> (side, side, 3) uint8."""
    return np.asarray(Image.fromarray(pixels).resize((side_px, side_px), Image.Resampling.LANCZOS))


def jpeg_roundtrip(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """What a JPEG file with 4:2:0 chroma makes of (h, w, 3) uint8 RGB."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(file) as picture:
        return np.asarray(picture)
