"""Training tasks of faces: the paper's clean 16x16, or blind restoration of faces as small photos show them."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.checkpoint import LAA_TRANSFORMER
from models.laa.config import LAAConfig
from models.laa.network import LAATransformer
from models.laa.widen import widen
from models.protocol import HR_SIZE, LR_SIZE, reduce

from ..errors import UsageError
from ..faceset.format import training_sources
from ..restore.back_projection import back_project
from ..restore.restorer import read_weights
from ..utils.hardware import count_flops
from ..utils.tensor_ops import rgb_to_grayscale
from .calibration import calibrate
from .corruptions import corrupt, uniform
from .face_data import FaceSamples, choose_validation_sources, read_splits
from .initial import training_history
from .network_settings import Fixed, parse_settings
from .plots import draw_face_preview
from .schedule import Defaults, face_defaults
from .training_task import InitialWeights, Notice, Splits, TrainingTask
from .validation import mean_gain_db, validate

Network = Callable[[Tensor], Tensor]  # enlarged crops (n, 3, 128, 128) -> restored faces, RGB in [0, 1]

PAPER_WIDTH = LAAConfig().base_channels
SETTING_TYPES: dict[str, Callable[[str], Any]] = {"int": int, "float": float}  # by the annotation; the others are text
# Fields of LAAConfig that are no settings: why, and the parameters that the reason names.
FIXED_SETTINGS: Fixed = {
    "base_channels": ("is width", "width"),
    "image_size": (f"is {HR_SIZE} in the protocol",),
}
QUICK_FACES = 128  # validation faces used on the way; all of them count at the end
MAX_SHIFT_PX = 4  # at 128 px; a detector's box is rarely further off than this
MAX_ROLL_DEG = 12.0  # what is left of a head's roll once its crop is upright, or too small to be worth turning
ZOOM = (0.88, 1.1)  # side of the view over the protocol's crop: boxes of small faces come out up to 15 % short
CROP_PX = (10, 96)  # sides of the crops that `BlindTask` makes
PROTOCOL_SHARE = 0.3  # of the crops have the paper's 16 px
CLEAN_SHARE = 0.45  # of the crops are clean reductions by the protocol's kernel
GREY_SHARE = 0.08


class FaceTask(TrainingTask):
    """Restoration of faces of 128x128 by the LAA-Transformer; a subclass makes the samples.

    `validate` measures gains beyond the protocol's figures, those of `gain_labels`.
    """

    noun = "faces"
    architecture = LAA_TRANSFORMER.name
    gain_label = "16 px, clean"

    def parse_network(self, width: int | None, scale: int | None, settings: list[str]) -> LAAConfig:
        refuse_scale(scale, self.name)
        return parse_laa_config(PAPER_WIDTH if width is None else width, settings)

    def read_initial(self, path: Path, width: int | None, scale: int | None, notice: Notice) -> InitialWeights:
        """Reads weights, and widens them to `width` base channels. LaaError where that cannot be."""
        refuse_scale(scale, self.name)
        network, card = read_weights(path, notice)
        history = training_history(card) | {"name": card.name, "base_channels": card.config.base_channels}
        if width is not None and width != card.config.base_channels:
            try:
                network = widen(network, width)
            except ValueError as error:
                raise UsageError(f"width with init_from {path}: {error}", "width", "init_from") from error
        return InitialWeights(network.config, network.state_dict(), history)

    def defaults(self, config: LAAConfig, *, on_cpu: bool, has_budget: bool) -> Defaults:
        return face_defaults(config.base_channels, on_cpu=on_cpu, has_budget=has_budget)

    def training_flops(self, config: LAAConfig) -> int:
        """Counts the FLOPs that one face takes in training; the backward pass takes twice the forward's."""
        with torch.device("meta"):
            return 3 * count_flops(LAATransformer(config), torch.empty(1, 3, config.image_size, config.image_size))

    def sources(self, data: list[Path], validation: Path | None) -> list[Path]:
        return [source for path in data for source in training_sources(path)] + choose_validation_sources(data, validation)

    def read(self, data: list[Path], validation: Path | None, config: LAAConfig, notice: Notice) -> Splits:
        return read_splits(data, validation)

    @abstractmethod
    def make_samples(self, items: Tensor, random: torch.Generator, stage: int = 0) -> FaceSamples:
        """Makes training pairs of faces, (n, 3, s, s) uint8 RGB, s from 128 to 144."""

    def loss(self, output: Tensor, samples: FaceSamples) -> Tensor:
        """Computes the paper's L1 loss (Sec. 4.2) of restored faces (n, 3, 128, 128)."""
        return (output - samples.truth).abs().mean()

    def measure(self, network: nn.Module, validation: Tensor, device: torch.device, *, quick: bool) -> dict[str, Any]:
        """Measures a network under the protocol on faces (n, 3, 128, 128) uint8 RGB, and by the task on the first few."""
        few = validation[:QUICK_FACES]
        return validate(network, few if quick else validation, device).summary() | self.validate(network, few, device)

    def validate(self, network: Network, faces: Tensor, device: torch.device) -> dict[str, float]:
        """Measures gains beyond the protocol's figures on `faces`, (n, 3, 128, 128) uint8 RGB; none by default."""
        return {}

    def preview(self, network: nn.Module, validation: Tensor, device: torch.device) -> bytes:
        return draw_face_preview(network, validation, device)


class ProtocolTask(FaceTask):
    """The paper's task: faces shifted and mirrored, reduced to 16x16."""

    name = "protocol"
    crop_px = (LR_SIZE, LR_SIZE)

    def make_samples(self, items: Tensor, random: torch.Generator, stage: int = 0) -> FaceSamples:
        truth = random_flips(random_crops(items, random), random).float().div(255)
        return FaceSamples(truth, list(reduce(truth)), [False] * len(truth))


class BlindTask(FaceTask):
    """Faces of any size with the corruptions of real photos, their boxes as inexact as a detector's.

    `paper_share`: how many, beyond those that come so by chance, are clean crops of the paper's size.
    """

    name = "photo"
    crop_px = CROP_PX
    gain_labels: ClassVar = {"photo_gain_db": "in photos"}

    def __init__(self, paper_share: float = 0.0) -> None:
        self.paper_share = paper_share

    def make_samples(self, items: Tensor, random: torch.Generator, stage: int = 0) -> FaceSamples:
        faces = items
        plain = random_crops(faces, random).float().div(255)
        turned = random_affine(faces.float().div(255), random)
        chosen = torch.rand(len(faces), generator=random) < 0.5  # turning blurs a little, so half of the truths stay sharp
        truth = random_flips(torch.where(chosen.to(faces.device)[:, None, None, None], turned, plain), random)
        colourless = torch.rand(len(faces), generator=random) < GREY_SHARE
        truth = torch.where(colourless.to(faces.device)[:, None, None, None], rgb_to_grayscale(truth), truth)
        return self.corrupt_batch(truth, random)

    def corrupt_batch(self, truth: Tensor, random: torch.Generator) -> FaceSamples:
        """Reduces faces (n, 3, 128, 128) RGB in [0, 1] as photos show them, each to a size and with corruptions of its own."""
        paper = [self.paper_share > 0 and uniform(random, 0, 1) < self.paper_share for _ in truth]
        clean = [uniform(random, 0, 1) < CLEAN_SHARE or as_paper for as_paper in paper]
        sides = [LR_SIZE if as_paper else random_side_px(random) for as_paper in paper]
        crops = [
            reduce(face[None], side)[0] if simple else corrupt(face, side, random)
            for face, side, simple in zip(truth, sides, clean, strict=True)
        ]
        return FaceSamples(truth, crops, clean)

    def loss(self, output: Tensor, samples: FaceSamples) -> Tensor:
        """Computes the L1 loss; of back-projected faces, half of it after the back-projection that `laa upscale` makes.

        The other half keeps the network's own answer near the face: how far it is from the crop tells how noisy the crop is.
        """
        losses = [super().loss(output, samples)]
        for index in (index for index, chosen in enumerate(samples.back_projected) if chosen):
            face = back_project(output[index : index + 1], samples.crops[index][None])
            before, after = ((image - samples.truth[index]).abs().mean() for image in (output[index], face[0]))
            losses.append((after - before) / (2 * len(output)))
        return torch.stack(losses).sum()

    def validate(self, network: Network, faces: Tensor, device: torch.device) -> dict[str, float]:
        """Measures the gain of the network alone over bicubic on faces with the sizes and corruptions of photos."""
        random = torch.Generator().manual_seed(0)  # the same sizes and corruptions each time
        batches = (BlindTask().corrupt_batch(part.float().div(255), random) for part in faces.split(16))
        return {"photo_gain_db": mean_gain_db(network, batches, device)}

    def calibrate(self, network: Network, training: Tensor, device: torch.device) -> tuple[float, ...]:
        return calibrate(network, training, device, BlindTask().make_samples)


# The network's settings


def parse_laa_config(width: int, settings: list[str]) -> LAAConfig:
    """Parses NAME=VALUE settings to the network's configuration. UsageError on a wrong name or value."""
    types = {field.name: SETTING_TYPES.get(str(field.type), str) for field in fields(LAAConfig)}
    known = {name: parse for name, parse in types.items() if name not in FIXED_SETTINGS}
    try:
        return LAAConfig.from_dict({"base_channels": width} | parse_settings(settings, known, FIXED_SETTINGS))
    except ValueError as error:
        raise UsageError(f"set or width: {error}", "set", "width") from error


def refuse_scale(scale: int | None, task: str) -> None:
    """Raises UsageError for a scale, which faces have not."""
    if scale is not None:
        raise UsageError(f"scale has no meaning with task {task}: faces become {HR_SIZE} px", "scale", "task")


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
