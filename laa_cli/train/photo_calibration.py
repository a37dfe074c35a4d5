"""Fits the fidelity estimator to weights for the background, on squares of photos as `laa upscale` looks at them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.protocol import to_8_bits

from ..restore.back_projection import split_photo_correction
from .calibration import ENLARGED_SHARE, NOISE_SHARE, CalibrationCase, add_white_noise, fit_coefficients, make_case
from .corruptions import compress_jpeg, uniform
from .photo_data import PATCH_PX, PhotoSet, TrainingPhoto
from .photo_patches import degrade, enlarge_before, random_patch

SQUARES = 1024
REPEATS = 4  # squares at most for each patch that an epoch has
SQUARE_PX = (48, 64)  # sides at low resolution
RIM_PX = 8  # around a square, which the network sees as it does in a whole photo
ENLARGED = (1.5, 4.0)  # times
JPEG_SHARE = 0.15  # of the squares have JPEG's blocks alone, of any quality
JPEG_QUALITY = (40, 98)


@torch.no_grad()
def calibrate_photos(network: nn.Module, items: PhotoSet, device: torch.device, seed: int = 0) -> tuple[float, ...]:
    """Fits coefficients, (FEATURES,), on squares of the photos, by their area. `network`: in evaluation mode."""
    random = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(items), generator=random).repeat(REPEATS)[:SQUARES]
    return fit_coefficients([make_photo_case(network, items.photos[items.places[index]], device, random) for index in chosen])


def make_photo_case(network: nn.Module, photo: TrainingPhoto, device: torch.device, random: torch.Generator) -> CalibrationCase:
    """Measures a square of a photo, clean or with faults; its rim is only there for the network."""
    room = min(photo.lr.shape[1:])
    outer = min(round(uniform(random, *SQUARE_PX)) + 2 * RIM_PX, room)
    rim = min(RIM_PX, (outer - PATCH_PX) // 2)
    clean, truth = random_patch(photo, outer, random)
    lr = corrupt_square(clean, random)
    output = to_8_bits(network(lr[None].to(device)).float().cpu())[0]  # as the estimator sees it
    inner, large = slice(rim, outer - rim), slice(photo.scale * rim, photo.scale * (outer - rim))
    return make_case(output[:, large, large], lr[:, inner, inner], truth[:, large, large], split_photo_correction)


def corrupt_square(clean: Tensor, random: torch.Generator) -> Tensor:
    """Corrupts a square (3, e, e) as training does, or in ways that training has seldom."""
    chance = uniform(random, 0, 1)
    if chance < ENLARGED_SHARE:
        return enlarge_before(clean, uniform(random, *ENLARGED))
    if chance < ENLARGED_SHARE + NOISE_SHARE:
        return to_8_bits(add_white_noise(clean, random))
    if chance < ENLARGED_SHARE + NOISE_SHARE + JPEG_SHARE:
        return compress_jpeg(clean, JPEG_QUALITY, random)
    return degrade(clean, random)
