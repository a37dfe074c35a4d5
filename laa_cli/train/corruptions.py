"""Corruptions of real photos, in the order in which a photo gets them: optics, sensor, camera software, JPEG.

Crops of faces and patches of photos are (3, e, e) RGB in [0, 1]. JPEG is coded in tensor arithmetic, so that training needs
no files and runs on any device.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from models.protocol import to_8_bits

from ..utils.tensor_ops import dct_matrix, device_constant

# Quantisation tables of the JPEG standard, Annex K, for quality 50.
LUMA_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA_TABLE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))  # JFIF
TO_RGB = ((1, 0, 1.402), (1, -0.344136, -0.714136), (1, 1.772, 0))
# How many of the crops get each corruption, and the ranges of its strength.
BLUR_SHARE, NOISE_SHARE, SHARPEN_SHARE, JPEG_SHARE = 0.5, 0.5, 0.5, 0.75
BLUR_PX = (0.2, 0.9)  # sigma of the Gaussian
SHARPENING, MASK_PX = (0.1, 0.8), (0.5, 1.2)  # amount of the unsharp mask, and sigma of its Gaussian
MIN_NOISE = 0.2  # sigma of 255
MCU_PX = 16  # side of JPEG's minimum coded unit with 4:2:0 chroma


def uniform(random: torch.Generator, low: float, high: float) -> float:
    """Draws a number from low to high."""
    return low + (high - low) * torch.rand((), generator=random).item()


@dataclass(frozen=True)
class Faults:
    """How strong the corruptions are at most: noise's sigma of 255, and the range of JPEG's quality."""

    max_noise: float
    jpeg_quality: tuple[int, int]


SMALL_FACES = Faults(10, (40, 95))


def corrupt(face: Tensor, side: int, random: torch.Generator) -> Tensor:
    """Reduces a face (3, s, s) to (3, side, side) on 8-bit levels, with the corruptions of small faces, each by chance."""
    kernel = list(KERNELS)[int(uniform(random, 0, len(KERNELS)))]
    return add_faults(resample(face, side, KERNELS[kernel]), SMALL_FACES, random)


def add_faults(crop: Tensor, faults: Faults, random: torch.Generator) -> Tensor:
    """Adds blur, noise, sharpening and JPEG to (3, e, e), each by chance; on 8-bit levels."""
    if uniform(random, 0, 1) < BLUR_SHARE:
        crop = blur(crop, random)
    if uniform(random, 0, 1) < NOISE_SHARE:
        crop = add_noise(crop, faults.max_noise, random)
    if uniform(random, 0, 1) < SHARPEN_SHARE:
        crop = sharpen(crop, random)
    crop = to_8_bits(crop)
    return compress_jpeg(crop, faults.jpeg_quality, random) if uniform(random, 0, 1) < JPEG_SHARE else crop


def blur(crop: Tensor, random: torch.Generator) -> Tensor:
    """Blurs as slightly out of focus: Gaussian, up to 0.9 px of the photo."""
    return gaussian_blur(crop, uniform(random, *BLUR_PX))


def sharpen(crop: Tensor, random: torch.Generator) -> Tensor:
    """Sharpens by unsharp masking, as cameras and resizers do."""
    return unsharp_mask(crop, uniform(random, *SHARPENING), uniform(random, *MASK_PX))


def unsharp_mask(crop: Tensor, amount: float, sigma_px: float) -> Tensor:
    """Adds `amount` times what a Gaussian blur takes away."""
    return crop + amount * (crop - gaussian_blur(crop, sigma_px))


def add_noise(crop: Tensor, max_sigma: float, random: torch.Generator) -> Tensor:
    """Adds sensor noise up to a sigma of 255, stronger in the light (shot noise) and partly common to the channels."""
    sigma = uniform(random, MIN_NOISE, max_sigma) / 255
    common = torch.randn(1, *crop.shape[1:], generator=random).to(crop.device)
    noise = torch.randn(crop.shape, generator=random).to(crop.device)
    share = uniform(random, 0, 1)
    shot = uniform(random, 0, 1)
    return apply_noise(crop, math.sqrt(share) * common + math.sqrt(1 - share) * noise, sigma, shot)


def apply_noise(crops: Tensor, noise: Tensor, sigma: float | Tensor, shot: float | Tensor) -> Tensor:
    """Adds noise of unit variance times sigma; `shot`, 0..1, is how far it grows with the light. All broadcast."""
    light = 1 + shot * (crops.clamp(0, 1).sqrt() - 0.7)
    return crops + sigma * light * noise


def compress_jpeg(crop: Tensor, quality: tuple[int, int], random: torch.Generator) -> Tensor:
    """Codes and decodes as JPEG of a quality from that range, its 8x8 blocks anywhere in the crop."""
    top, left = (min(int(uniform(random, 0, MCU_PX)), crop.shape[-1] - 1) for _ in range(2))
    return shifted_jpeg(crop, round(uniform(random, *quality)), top, left)


def shifted_jpeg(crop: Tensor, quality: int, top: int, left: int) -> Tensor:
    """Codes and decodes (3, e, e) as JPEG of a picture in which the crop begins at (top, left)."""
    padded = F.pad(crop[None], (left, 0, top, 0), mode="reflect")[0]
    return jpeg(padded, quality)[:, top:, left:]


def gaussian_blur(crop: Tensor, sigma_px: float) -> Tensor:
    """Applies a separable Gaussian blur to (3, e, e), reflected at the edges."""
    reach = min(math.ceil(3 * sigma_px), crop.shape[-1] - 1)
    place = torch.arange(-reach, reach + 1, dtype=crop.dtype, device=crop.device)
    line = torch.exp(-place.square() / (2 * sigma_px**2))
    line = (line / line.sum()).expand(3, 1, 1, -1)
    padded = F.pad(crop[None], (reach,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, line, groups=3), line.mT, groups=3)[0]


# Resampling kernels by which photos are reduced, as matrices on lines of pixels.


def lanczos(x: Tensor) -> Tensor:
    """Computes the three-lobed Lanczos kernel, elementwise."""
    return torch.where(x.abs() < 3, torch.sinc(x) * torch.sinc(x / 3), 0)


def cubic(x: Tensor) -> Tensor:
    """Computes the cubic convolution kernel with a = -0.5, the protocol's, elementwise."""
    x = x.abs()
    return torch.where(x < 1, 1.5 * x**3 - 2.5 * x**2 + 1, torch.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0))


# How photos are reduced: each kernel over distances in pixels of the result.
KERNELS: dict[str, Callable[[Tensor], Tensor]] = {
    "bicubic": cubic,
    "lanczos": lanczos,
    "bilinear": lambda x: (1 - x.abs()).clamp_min(0),
    "box": lambda x: (x.abs() <= 0.5).to(x.dtype),
}


def resample(face: Tensor, side: int, kernel: Callable[[Tensor], Tensor]) -> Tensor:
    """Resamples (3, s, s) -> (3, side, side), antialiased: the kernel is as wide as a pixel of the result."""
    weights = kernel_matrix(face.shape[-1], side, kernel).to(face)
    return weights @ face @ weights.T


def kernel_matrix(length: int, resized: int, kernel: Callable[[Tensor], Tensor]) -> Tensor:
    """Makes the matrix (resized, length) that maps a line of pixels to a shorter or longer one; rows sum to one."""
    scale = length / resized
    centres = (torch.arange(resized, dtype=torch.float64)[:, None] + 0.5) * scale
    weights = kernel((torch.arange(length, dtype=torch.float64) + 0.5 - centres) / max(scale, 1))
    return weights / weights.sum(1, keepdim=True)


# JPEG in tensor arithmetic.


def jpeg(rgb: Tensor, quality: int) -> Tensor:
    """Codes (3, h, w) RGB in [0, 1] as JPEG with 4:2:0 chroma at a quality of 1 to 100, and decodes it, at 8-bit levels.

    As libjpeg codes and decodes, chroma enlarged by its triangle filter; checked against Pillow in the tests.
    """
    height, width = rgb.shape[1:]
    levels = F.pad(rgb.mul(255)[None], (0, -width % MCU_PX, 0, -height % MCU_PX), mode="replicate")
    y, chroma = code_planes(levels, torch.tensor([quality], device=rgb.device))
    chroma = enlarge_chroma(chroma[..., : (height + 1) // 2, : (width + 1) // 2])
    return ycc_to_rgb(y[..., :height, :width], chroma[..., :height, :width])[0]


def code_planes(levels: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
    """Codes and decodes the planes of pictures (n, 3, h, w) RGB, 0..255, sides multiples of 16, at qualities (n,) of 1 to 100.

    Returns luma (n, 1, h, w), 0..255, and chroma (n, 2, h / 2, w / 2) around 0.
    """
    to_ycc, luma, chroma_table = (
        device_constant(table, levels.dtype, levels.device) for table in (TO_YCC, LUMA_TABLE, CHROMA_TABLE)
    )
    ycc = torch.einsum("dc,nchw->ndhw", to_ycc, levels.round()).round()
    chroma = F.avg_pool2d(ycc[:, 1:], 2).round()
    y = quantize(ycc[:, :1] - 128, scale_tables(luma, quality)) + 128
    return y, quantize(chroma, scale_tables(chroma_table, quality))


def enlarge_chroma(chroma: Tensor) -> Tensor:
    """Enlarges chroma twofold by libjpeg's triangle filter: (n, 2, h, w) -> (n, 2, 2 h, 2 w)."""
    return F.interpolate(chroma, scale_factor=2.0, mode="bilinear")


def ycc_to_rgb(y: Tensor, chroma: Tensor) -> Tensor:
    """Converts luma (n, 1, h, w), 0..255, and chroma (n, 2, h, w) around 0 to RGB in [0, 1], on 8-bit levels."""
    to_rgb = device_constant(TO_RGB, y.dtype, y.device)
    rgb = torch.einsum("dc,nchw->ndhw", to_rgb, torch.cat((y, chroma), 1))
    return rgb.round().clamp(0, 255).div(255)


def quantize(planes: Tensor, tables: Tensor) -> Tensor:
    """Quantises the 8x8 discrete cosine transform (DCT) of planes (n, c, h, w) around 0, sides multiples of 8, and inverts it.

    `tables`: of each picture, (n, 8, 8).
    """
    basis = dct_matrix(planes)
    steps = tables[:, None, None, None]
    blocks = planes.unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).transpose(3, 4)
    coefficients = (basis @ blocks @ basis.T / steps).round() * steps
    return (basis.T @ coefficients @ basis).transpose(3, 4).flatten(4).flatten(2, 3).round()


def scale_tables(table: Tensor, quality: Tensor) -> Tensor:
    """Scales a quantisation table (8, 8) to qualities (n,) as libjpeg does: (n, 8, 8)."""
    percent = torch.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return ((table * percent[:, None, None] + 50) // 100).clamp(1, 255)
