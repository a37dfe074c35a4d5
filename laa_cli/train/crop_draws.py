"""Random sizes and corruptions of crops, one by one or of a batch; drawn on the CPU, so the same on any device."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.protocol import LR_SIZE

from .batched_corruptions import CorruptionParameters
from .corruptions import (
    BLUR_PX,
    BLUR_SHARE,
    JPEG_SHARE,
    KERNELS,
    MASK_PX,
    MCU_PX,
    MIN_NOISE,
    NOISE_SHARE,
    SHARPEN_SHARE,
    SHARPENING,
    SMALL_FACES,
    uniform,
)
from .resize_matrices import CANVAS_PX, PROTOCOL_KERNEL

CROP_PX = (10, CANVAS_PX)  # sides of the crops
PROTOCOL_SHARE = 0.3  # of the crops have the paper's 16 px
CLEAN_SHARE = 0.45  # of the crops are clean reductions by the protocol's kernel


def random_side_px(random: torch.Generator) -> int:
    """Draws a crop's side: the paper's in a share of the cases, otherwise log-uniform in CROP_PX."""
    if uniform(random, 0, 1) < PROTOCOL_SHARE:
        return LR_SIZE
    return round(math.exp(uniform(random, math.log(CROP_PX[0]), math.log(CROP_PX[1]))))


def draw_parameters(count: int, paper_share: float, random: torch.Generator) -> CorruptionParameters:
    """Draws for `count` crops; `paper_share`: as `BlindTask` has it."""

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=random)

    paper, dirty = draw(0, 1) < paper_share, draw(0, 1) >= CLEAN_SHARE
    dirty &= ~paper

    def strength(share: float, values: Tensor) -> Tensor:
        return torch.where(dirty & (draw(0, 1) < share), values, 0)

    log_sides = draw(math.log(CROP_PX[0]), math.log(CROP_PX[1]))
    sides = torch.where(paper | (draw(0, 1) < PROTOCOL_SHARE), LR_SIZE, log_sides.exp().round().long())
    top, left = (torch.minimum(draw(0, MCU_PX).long(), sides - 1) for _ in range(2))
    return CorruptionParameters(
        sides=sides,
        kernels=torch.where(dirty, draw(0, len(KERNELS)).long(), PROTOCOL_KERNEL),
        blur_px=strength(BLUR_SHARE, draw(*BLUR_PX)),
        noise=strength(NOISE_SHARE, draw(MIN_NOISE, SMALL_FACES.max_noise) / 255),
        shot=draw(0, 1),
        unit_noise=draw_noise(draw(0, 1), canvas_side(sides), random),
        sharpening=strength(SHARPEN_SHARE, draw(*SHARPENING)),
        mask_px=draw(*MASK_PX),
        quality=strength(JPEG_SHARE, draw(*SMALL_FACES.jpeg_quality).round()).long(),
        top=top,
        left=left,
        clean=~dirty,
    )


def canvas_side(sides: Tensor) -> int:
    """Computes the side of a canvas for crops whose sides (n,) are on the CPU: a multiple of 16, as JPEG needs it."""
    return math.ceil(int(sides.max()) / MCU_PX) * MCU_PX


def draw_noise(share: Tensor, canvas: int, random: torch.Generator) -> Tensor:
    """Draws noise of unit variance, (n, 3, canvas, canvas), of whose variance the channels have a share, (n,), in common."""
    common, own = torch.randn(len(share), 4, canvas, canvas, generator=random).split((1, 3), 1)
    part = share[:, None, None, None]
    return part.sqrt() * common + (1 - part).sqrt() * own
