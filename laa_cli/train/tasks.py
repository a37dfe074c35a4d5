"""From training faces to what a network sees: the paper's clean 16x16, or faces as small photos show them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol as Interface

import torch
from torch import Tensor
from torch.nn import functional as F

from models.protocol import HR_SIZE, LR_SIZE, reduce

from ..utils.tensor_ops import rgb_to_grayscale
from .corruptions import corrupt, uniform

MAX_SHIFT_PX = 4  # at 128 px; a detector's box is rarely further off than this
MAX_ROLL_DEG = 12.0  # what is left of a head's roll once its crop is upright, or too small to be worth turning
ZOOM = (0.88, 1.1)  # side of the view over the protocol's crop: boxes of small faces come out up to 15 % short
CROP_PX = (10, 96)  # sides of the crops that `Photo` makes
PROTOCOL_SHARE = 0.3  # of the crops have the paper's 16 px
CLEAN_SHARE = 0.45  # of the crops are clean reductions by the protocol's kernel
GREY_SHARE = 0.08


@dataclass(frozen=True)
class Samples:
    """A training batch: the faces, (n, 3, 128, 128) RGB in [0, 1], and what a photo shows of each, (3, e, e), any e.

    `projected`: whether a face should also be right once it is projected onto its crop, which only helps where the crop is
    nothing but the face reduced by the protocol's kernel.
    """

    truth: Tensor
    crops: list[Tensor]
    back_projected: list[bool]


class TrainingTask(Interface):
    """A task: how training pairs are made of faces. `crop_px`: smallest and largest side of its crops."""

    crop_px: tuple[int, int]

    def __call__(self, faces: Tensor, random: torch.Generator) -> Samples: ...


class ProtocolTask:
    """The paper's task: faces shifted and mirrored, reduced to 16x16."""

    crop_px = (LR_SIZE, LR_SIZE)

    def __call__(self, faces: Tensor, random: torch.Generator) -> Samples:
        """`faces`: (n, 3, s, s) uint8 RGB, s from 128 to 144."""
        truth = random_flips(random_crops(faces, random), random).float().div(255)
        return Samples(truth, list(reduce(truth)), [False] * len(truth))


class BlindTask:
    """Faces of any size with the faults of real photos, their boxes as inexact as a detector's.

    `paper_share`: how many, beyond those that come so by chance, are clean crops of the paper's size.
    """

    crop_px = CROP_PX

    def __init__(self, paper_share: float = 0.0) -> None:
        self.paper_share = paper_share

    def __call__(self, faces: Tensor, random: torch.Generator) -> Samples:
        """`faces`: (n, 3, s, s) uint8 RGB, s from 128 to 144."""
        plain, turned = random_crops(faces, random).float().div(255), random_affine(faces.float().div(255), random)
        chosen = torch.rand(len(faces), generator=random) < 0.5  # turning blurs a little, so half of the truths stay sharp
        truth = random_flips(torch.where(chosen.to(faces.device)[:, None, None, None], turned, plain), random)
        colourless = torch.rand(len(faces), generator=random) < GREY_SHARE
        truth = torch.where(colourless.to(faces.device)[:, None, None, None], rgb_to_grayscale(truth), truth)
        return self.corrupt_batch(truth, random)

    def corrupt_batch(self, truth: Tensor, random: torch.Generator) -> Samples:
        """What photos show of faces (n, 3, 128, 128) RGB in [0, 1], each at a size and with faults of its own."""
        paper = [self.paper_share > 0 and uniform(random, 0, 1) < self.paper_share for _ in truth]
        clean = [uniform(random, 0, 1) < CLEAN_SHARE or as_paper for as_paper in paper]
        sides = [LR_SIZE if as_paper else random_side_px(random) for as_paper in paper]
        crops = [
            reduce(face[None], side)[0] if simple else corrupt(face, side, random)
            for face, side, simple in zip(truth, sides, clean, strict=True)
        ]
        return Samples(truth, crops, clean)


def random_side_px(random: torch.Generator) -> int:
    """A crop's side: the paper's in a share of the cases, otherwise any, small ones as often as large ones by ratio."""
    if uniform(random, 0, 1) < PROTOCOL_SHARE:
        return LR_SIZE
    return round(math.exp(uniform(random, math.log(CROP_PX[0]), math.log(CROP_PX[1]))))


def random_crops(faces: Tensor, random: torch.Generator) -> Tensor:
    """Views of 128x128 px around the middle, shifted by whole pixels as far as there is room."""
    middle = (faces.shape[-1] - HR_SIZE) // 2
    reach = min(MAX_SHIFT_PX, middle)
    corners = middle + torch.randint(-reach, reach + 1, (len(faces), 2), generator=random)
    views = [
        face[:, top : top + HR_SIZE, left : left + HR_SIZE] for face, (top, left) in zip(faces, corners.tolist(), strict=True)
    ]
    return torch.stack(views)


def random_flips(faces: Tensor, random: torch.Generator) -> Tensor:
    """Every other face, by chance, seen in a mirror."""
    flips = (torch.rand(len(faces), generator=random) < 0.5).to(faces.device)
    return torch.where(flips[:, None, None, None], faces.flip(3), faces)


def random_affine(faces: Tensor, random: torch.Generator) -> Tensor:
    """Views of 128x128 px, shifted, turned and zoomed, as inexact boxes show them. `faces`: (n, 3, s, s) float."""
    count, side = len(faces), faces.shape[-1]
    angle = torch.deg2rad(MAX_ROLL_DEG * (2 * torch.rand(count, generator=random) - 1))
    zoom = ZOOM[0] + (ZOOM[1] - ZOOM[0]) * torch.rand(count, generator=random)
    shift = MAX_SHIFT_PX * (2 * torch.rand(count, 2, 1, generator=random) - 1)
    turn = torch.stack((angle.cos(), -angle.sin(), angle.sin(), angle.cos()), 1).view(count, 2, 2)
    matrix = torch.cat((turn * (zoom * HR_SIZE / side)[:, None, None], shift * 2 / side), 2).to(faces.device)
    grid = F.affine_grid(matrix, [count, 3, HR_SIZE, HR_SIZE], align_corners=False)
    return F.grid_sample(faces, grid, mode="bicubic", padding_mode="reflection", align_corners=False).clamp(0, 1)


# Photos' weights grow from the same trunk as those for the paper's task: some 40 % of their crops are that task's.
TASKS: dict[str, TrainingTask] = {"protocol": ProtocolTask(), "photo": BlindTask(paper_share=0.3)}
