"""Training tasks of faces: the paper's clean 16x16, or blind restoration of faces as small photos show them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from models.checkpoint import LAA_TRANSFORMER
from models.laa.config import LAAConfig
from models.laa.network import LAATransformer
from models.laa.widen import widen
from models.protocol import HR_SIZE, LR_SIZE, reduce

from ..errors import UsageError
from ..faceset.format import training_sources
from ..restore.face_network import build_face_network
from ..restore.restorer import NetworkRestorer, read_weights
from ..restore.runtime import Runtime
from ..utils.hardware import count_flops
from .calibration import calibrate
from .canvas_samples import CanvasSamples, back_project_canvases, make_canvas_samples
from .corruptions import corrupt, uniform
from .crop_draws import CLEAN_SHARE, CROP_PX, draw_parameters, random_side_px
from .doubt_calibration import calibrate_doubt
from .face_data import FaceSamples, choose_validation_sources, read_splits
from .face_views import random_crops, random_flips, random_views
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
    def make_samples(self, items: Tensor, random: torch.Generator, stage: int = 0) -> FaceSamples | CanvasSamples:
        """Makes training pairs of faces, (n, 3, s, s) uint8 RGB, s from 128 to 144."""

    def loss(self, output: Tensor, samples: Any) -> Tensor:
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

    def make_samples(self, items: Tensor, random: torch.Generator, stage: int = 0) -> CanvasSamples:
        truth = random_views(items, random)
        return make_canvas_samples(truth, draw_parameters(len(truth), self.paper_share, random).to(truth.device))

    def make_single_samples(self, items: Tensor, random: torch.Generator) -> FaceSamples:
        """Makes samples as `make_samples` does, face by face, for figures that are to stay comparable."""
        return self.corrupt_batch(random_views(items, random), random)

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

    def loss(self, output: Tensor, samples: CanvasSamples) -> Tensor:
        """Computes the L1 loss; of back-projected faces, half of it after the back-projection that `laa upscale` makes.

        The other half keeps the network's own answer near the face: how far it is from the crop tells how noisy the crop is.
        """
        corrected = back_project_canvases(output, samples.canvases, samples.sides)
        before, after = ((faces - samples.truth).abs().mean((1, 2, 3)) for faces in (output, corrected))
        return torch.lerp(before, after, 0.5 * samples.back_projected).mean()

    def validate(self, network: Network, faces: Tensor, device: torch.device) -> dict[str, float]:
        """Measures the gain of the network alone over bicubic on faces with the sizes and corruptions of photos."""
        random = torch.Generator().manual_seed(0)  # the same sizes and corruptions each time
        batches = (BlindTask().corrupt_batch(part.float().div(255), random) for part in faces.split(16))
        return {"photo_gain_db": mean_gain_db(network, batches, device)}

    def calibrate(self, network: Network, training: Tensor, device: torch.device) -> tuple[float, ...]:
        return calibrate(network, training, device, BlindTask().make_single_samples)

    def calibrate_doubt(
        self, network: LAATransformer, fidelity_coefficients: tuple[float, ...], training: Tensor, device: torch.device
    ) -> tuple[float, ...]:
        run = build_face_network(deepcopy(network), Runtime.on(device))  # as `laa upscale` runs it
        restorer = NetworkRestorer(run, device, self.crop_px, None, fidelity_coefficients)
        return calibrate_doubt(restorer, training, BlindTask().make_single_samples)


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
