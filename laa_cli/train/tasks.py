"""Training tasks: the paper's clean 16x16, or blind restoration of faces as small photos show them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from models.protocol import HR_SIZE, LR_SIZE, reduce

from ..restore.back_projection import back_project
from ..utils.tensor_ops import rgb_to_grayscale
from .calibration import calibrate
from .corruptions import corrupt, uniform
from .data import Samples
from .validation import mean_gain_db

Network = Callable[[Tensor], Tensor]  # enlarged crops (n, 3, 128, 128) -> restored faces, RGB in [0, 1]

MAX_SHIFT_PX = 4  # at 128 px; a detector's box is rarely further off than this
MAX_ROLL_DEG = 12.0  # what is left of a head's roll once its crop is upright, or too small to be worth turning
ZOOM = (0.88, 1.1)  # side of the view over the protocol's crop: boxes of small faces come out up to 15 % short
CROP_PX = (10, 96)  # sides of the crops that `BlindTask` makes
PROTOCOL_SHARE = 0.3  # of the crops have the paper's 16 px
CLEAN_SHARE = 0.45  # of the crops are clean reductions by the protocol's kernel
GREY_SHARE = 0.08


class TrainingTask(ABC):
    """What a network is trained for: how training pairs are made of faces, the loss, and what is measured beyond the protocol.

    `crop_px`: smallest and largest side of its crops. `gain_labels`: what `validate` measures, all gains in dB by column of
    the log, and how each is called for people. A new task is a class, an entry in TASKS and its name in `TASK_NAMES`.
    """

    name: ClassVar[str]
    crop_px: ClassVar[tuple[int, int]]
    gain_labels: ClassVar[dict[str, str]] = {}

    @abstractmethod
    def make_samples(self, faces: Tensor, random: torch.Generator) -> Samples:
        """Makes training pairs of `faces`, (n, 3, s, s) uint8 RGB, s from 128 to 144."""

    def loss(self, restored: Tensor, samples: Samples) -> Tensor:
        """Computes the paper's L1 loss (Sec. 4.2) of restored faces (n, 3, 128, 128)."""
        return (restored - samples.truth).abs().mean()

    def validate(self, network: Network, faces: Tensor, device: torch.device) -> dict[str, float]:
        """Measures gains beyond the protocol's figures on `faces`, (n, 3, 128, 128) uint8 RGB; none by default."""
        return {}

    def calibrate(self, network: Network, faces: Tensor, device: torch.device) -> tuple[float, ...]:
        """Fits the coefficients of the fidelity estimator to training faces; none by default."""
        return ()


class ProtocolTask(TrainingTask):
    """The paper's task: faces shifted and mirrored, reduced to 16x16."""

    name = "protocol"
    crop_px = (LR_SIZE, LR_SIZE)

    def make_samples(self, faces: Tensor, random: torch.Generator) -> Samples:
        truth = random_flips(random_crops(faces, random), random).float().div(255)
        return Samples(truth, list(reduce(truth)), [False] * len(truth))


class BlindTask(TrainingTask):
    """Faces of any size with the corruptions of real photos, their boxes as inexact as a detector's.

    `paper_share`: how many, beyond those that come so by chance, are clean crops of the paper's size.
    """

    name = "photo"
    crop_px = CROP_PX
    gain_labels: ClassVar = {"photo_gain_db": "in photos"}

    def __init__(self, paper_share: float = 0.0) -> None:
        self.paper_share = paper_share

    def make_samples(self, faces: Tensor, random: torch.Generator) -> Samples:
        plain = random_crops(faces, random).float().div(255)
        turned = random_affine(faces.float().div(255), random)
        chosen = torch.rand(len(faces), generator=random) < 0.5  # turning blurs a little, so half of the truths stay sharp
        truth = random_flips(torch.where(chosen.to(faces.device)[:, None, None, None], turned, plain), random)
        colourless = torch.rand(len(faces), generator=random) < GREY_SHARE
        truth = torch.where(colourless.to(faces.device)[:, None, None, None], rgb_to_grayscale(truth), truth)
        return self.corrupt_batch(truth, random)

    def corrupt_batch(self, truth: Tensor, random: torch.Generator) -> Samples:
        """Reduces faces (n, 3, 128, 128) RGB in [0, 1] as photos show them, each to a size and with corruptions of its own."""
        paper = [self.paper_share > 0 and uniform(random, 0, 1) < self.paper_share for _ in truth]
        clean = [uniform(random, 0, 1) < CLEAN_SHARE or as_paper for as_paper in paper]
        sides = [LR_SIZE if as_paper else random_side_px(random) for as_paper in paper]
        crops = [
            reduce(face[None], side)[0] if simple else corrupt(face, side, random)
            for face, side, simple in zip(truth, sides, clean, strict=True)
        ]
        return Samples(truth, crops, clean)

    def loss(self, restored: Tensor, samples: Samples) -> Tensor:
        """Computes the L1 loss; of back-projected faces, half of it after the back-projection that `laa upscale` makes.

        The other half keeps the network's own answer near the face: how far it is from the crop tells how noisy the crop is.
        """
        losses = [super().loss(restored, samples)]
        for index in (index for index, chosen in enumerate(samples.back_projected) if chosen):
            face = back_project(restored[index : index + 1], samples.crops[index][None])
            before, after = ((image - samples.truth[index]).abs().mean() for image in (restored[index], face[0]))
            losses.append((after - before) / (2 * len(restored)))
        return torch.stack(losses).sum()

    def validate(self, network: Network, faces: Tensor, device: torch.device) -> dict[str, float]:
        """Measures the gain of the network alone over bicubic on faces with the sizes and corruptions of photos."""
        random = torch.Generator().manual_seed(0)  # the same sizes and corruptions each time
        batches = (BlindTask().corrupt_batch(part.float().div(255), random) for part in faces.split(16))
        return {"photo_gain_db": mean_gain_db(network, batches, device)}

    def calibrate(self, network: Network, faces: Tensor, device: torch.device) -> tuple[float, ...]:
        return calibrate(network, faces, device, BlindTask().make_samples)


# Photos' weights grow from the same trunk as those for the paper's task: some 40 % of their crops are that task's.
TASKS: dict[str, TrainingTask] = {task.name: task for task in (ProtocolTask(), BlindTask(paper_share=0.3))}


# Random views of faces: crops, flips, affine transforms.


def random_side_px(random: torch.Generator) -> int:
    """Draws a crop's side: the paper's in a share of the cases, otherwise log-uniform in CROP_PX."""
    if uniform(random, 0, 1) < PROTOCOL_SHARE:
        return LR_SIZE
    return round(math.exp(uniform(random, math.log(CROP_PX[0]), math.log(CROP_PX[1]))))


def random_crops(faces: Tensor, random: torch.Generator) -> Tensor:
    """Crops faces (n, 3, s, s) to (n, 3, 128, 128) around the middle, shifted by whole pixels as far as there is room."""
    middle = (faces.shape[-1] - HR_SIZE) // 2
    reach = min(MAX_SHIFT_PX, middle)
    corners = middle + torch.randint(-reach, reach + 1, (len(faces), 2), generator=random)
    views = [
        face[:, top : top + HR_SIZE, left : left + HR_SIZE] for face, (top, left) in zip(faces, corners.tolist(), strict=True)
    ]
    return torch.stack(views)


def random_flips(faces: Tensor, random: torch.Generator) -> Tensor:
    """Flips faces (n, 3, h, w) horizontally, each with probability one half."""
    flips = (torch.rand(len(faces), generator=random) < 0.5).to(faces.device)
    return torch.where(flips[:, None, None, None], faces.flip(3), faces)


def random_affine(faces: Tensor, random: torch.Generator) -> Tensor:
    """Shifts, rotates and zooms faces (n, 3, s, s) in [0, 1], as inexact boxes show them: (n, 3, 128, 128) in [0, 1]."""
    count, side = len(faces), faces.shape[-1]
    angle = torch.deg2rad(MAX_ROLL_DEG * (2 * torch.rand(count, generator=random) - 1))
    zoom = ZOOM[0] + (ZOOM[1] - ZOOM[0]) * torch.rand(count, generator=random)
    shift = MAX_SHIFT_PX * (2 * torch.rand(count, 2, 1, generator=random) - 1)
    turn = torch.stack((angle.cos(), -angle.sin(), angle.sin(), angle.cos()), 1).view(count, 2, 2)
    matrix = torch.cat((turn * (zoom * HR_SIZE / side)[:, None, None], shift * 2 / side), 2).to(faces.device)
    grid = F.affine_grid(matrix, [count, 3, HR_SIZE, HR_SIZE], align_corners=False)
    return F.grid_sample(faces, grid, mode="bicubic", padding_mode="reflection", align_corners=False).clamp(0, 1)
