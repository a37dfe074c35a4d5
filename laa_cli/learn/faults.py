"""The faults of real small faces, in the order in which a photo gets them: optics, sensor, camera software, JPEG."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from models.protocol import to_8_bits

from .jpeg import jpeg
from .kernels import KERNELS, resample


def uniform(random: torch.Generator, low: float, high: float) -> float:
    """A number from low to high."""
    return low + (high - low) * torch.rand((), generator=random).item()


def corrupt(face: Tensor, side: int, random: torch.Generator) -> Tensor:
    """A face (3, 128, 128) as a photo shows it, (3, side, side): optics, sensor, camera software and JPEG, each by chance."""
    kernel = list(KERNELS)[int(uniform(random, 0, len(KERNELS)))]
    crop = resample(face, side, KERNELS[kernel])
    for fault in (blur, add_noise, sharpen):
        if uniform(random, 0, 1) < 0.5:
            crop = fault(crop, random)
    crop = to_8_bits(crop)
    return compress_jpeg(crop, random) if uniform(random, 0, 1) < 0.75 else crop


def blur(crop: Tensor, random: torch.Generator) -> Tensor:
    """Slightly out of focus: Gaussian, up to 0.9 px of the photo."""
    return gaussian_blur(crop, uniform(random, 0.2, 0.9))


def sharpen(crop: Tensor, random: torch.Generator) -> Tensor:
    """Unsharp masking as cameras and resizers do it."""
    return crop + uniform(random, 0.1, 0.8) * (crop - gaussian_blur(crop, uniform(random, 0.5, 1.2)))


def add_noise(crop: Tensor, random: torch.Generator) -> Tensor:
    """Sensor noise up to sigma 10 of 255, stronger in the light (as photons are) and partly common to the channels."""
    sigma = uniform(random, 0.2, 10) / 255
    common = torch.randn(1, *crop.shape[1:], generator=random).to(crop.device)
    noise = torch.randn(crop.shape, generator=random).to(crop.device)
    share = uniform(random, 0, 1)
    light = 1 + uniform(random, 0, 1) * (crop.clamp(0, 1).sqrt() - 0.7)
    return crop + sigma * light * (math.sqrt(share) * common + math.sqrt(1 - share) * noise)


def compress_jpeg(crop: Tensor, random: torch.Generator) -> Tensor:
    """JPEG of quality 40 to 95, the blocks anywhere in the crop."""
    top, left = (min(int(uniform(random, 0, 16)), crop.shape[-1] - 1) for _ in range(2))
    padded = F.pad(crop[None], (left, 0, top, 0), mode="reflect")[0]
    return jpeg(padded, round(uniform(random, 40, 95)))[:, top:, left:]


def gaussian_blur(crop: Tensor, sigma_px: float) -> Tensor:
    """Gaussian blur of (3, e, e), reflected at the edges."""
    reach = min(math.ceil(3 * sigma_px), crop.shape[-1] - 1)
    place = torch.arange(-reach, reach + 1, dtype=crop.dtype, device=crop.device)
    line = torch.exp(-place.square() / (2 * sigma_px**2))
    line = (line / line.sum()).expand(3, 1, 1, -1)
    padded = F.pad(crop[None], (reach,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, line, groups=3), line.mT, groups=3)[0]
