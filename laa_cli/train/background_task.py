"""The training task of the background: HPINet on patches of photos of any size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from models.checkpoint import HPINET
from models.hpinet.config import SIZES, HPINetConfig, sized
from models.hpinet.network import HPINet

from ..errors import LaaError, UsageError
from ..utils.hardware import count_flops
from .initial import read_trained, training_history
from .network_settings import Parse, parse_settings
from .photo_calibration import calibrate_photos
from .photo_data import PATCH_PX, PhotoSet, TrainingPhoto, read_photo_splits
from .photo_figures import GAIN_LABELS, draw_photo_preview, measure_photos
from .photo_patches import PhotoSamples, make_photo_samples
from .schedule import BACKGROUND, Defaults
from .training_task import InitialWeights, Notice, Splits, TrainingTask

DEFAULT_SIZE = "T"
EARLY_PATCH_PX = 32  # cheaper patches, which teach as much at first
EARLY_SHARE = 0.2  # of the schedule
SETTINGS: dict[str, Parse] = {
    "size": str,
    "dim": int,
    "qk_dim": int,
    "mlp_dim": int,
    "patch_sizes": lambda text: [int(size) for size in text.split(",")],
    "layers": int,
    "tail": str,
}


class BackgroundTask(TrainingTask):
    """Super-resolution of whole photos, 2, 3 or 4 times."""

    name = "background"
    noun = "patches"
    architecture = HPINET.name
    crop_px = None
    gain_label = "clean"
    gain_labels: ClassVar = GAIN_LABELS

    # The network

    def parse_network(self, width: int | None, scale: int | None, settings: list[str]) -> HPINetConfig:
        refuse_width(width)
        values = parse_settings(settings, SETTINGS)
        size = values.pop("size", DEFAULT_SIZE)
        if size not in SIZES:
            raise UsageError(f"set size must be one of {', '.join(SIZES)}, not {size!r}", "set")
        try:
            base = sized(size, HPINetConfig.scale if scale is None else scale)
            return HPINetConfig.from_dict(base.to_dict() | values)
        except ValueError as error:
            raise UsageError(f"set or scale: {error}", "set", "scale") from error

    def read_initial(self, path: Path, width: int | None, scale: int | None, notice: Notice) -> InitialWeights:
        """Reads weights; for another scale their trunk, and the tail starts anew."""
        refuse_width(width)
        network, card = read_trained(path)
        if not isinstance(network, HPINet):
            raise LaaError(f"cannot use the weights {path}: their architecture {card.architecture} is not for the background")
        history = training_history(card) | {"name": card.name, "scale": network.config.scale}
        tensors = network.state_dict()
        if scale is None or scale == network.config.scale:
            return InitialWeights(network.config, tensors, history)
        try:
            config = replace(network.config, scale=scale)
        except ValueError as error:
            raise UsageError(str(error), "scale") from error
        notice(f"{path} are weights for scale {network.config.scale}: of them the trunk is taken, the tail starts anew")
        return InitialWeights(config, {name: value for name, value in tensors.items() if not name.startswith("tail.")}, history)

    def defaults(self, config: HPINetConfig, *, on_cpu: bool, has_budget: bool) -> Defaults:
        return BACKGROUND

    def training_flops(self, config: HPINetConfig) -> int:
        with torch.random.fork_rng(devices=[]):
            return 3 * count_flops(HPINet(config), torch.zeros(1, 3, PATCH_PX, PATCH_PX))

    def precision(self, device: torch.device) -> torch.dtype:
        """Chooses float32 on a CPU, where maps so narrow gain nothing by bfloat16: 13 patches/s against 9."""
        return torch.float32 if device.type == "cpu" else torch.bfloat16

    # The data

    def sources(self, data: list[Path], validation: Path | None) -> list[Path]:
        if validation is None:
            raise UsageError("there are no photos for validation: give some with validation", "validation")
        return [*data, validation]

    def read(self, data: list[Path], validation: Path | None, config: HPINetConfig, notice: Notice) -> Splits:
        *training, held_out = self.sources(data, validation)
        return read_photo_splits(training, [held_out], config.scale, notice)

    def count(self, splits: Splits) -> tuple[int, str]:
        return len(splits.training.photos), "photos"

    # Training

    def stage(self, fraction: float) -> int:
        """Tells whether patches are small (0), as at the beginning, or not (1)."""
        return int(fraction >= EARLY_SHARE)

    def make_samples(self, items: PhotoSet, random: torch.Generator, stage: int = 0) -> PhotoSamples:
        return make_photo_samples(items, PATCH_PX if stage else EARLY_PATCH_PX, random)

    def loss(self, output: Tensor, samples: PhotoSamples) -> Tensor:
        """Computes the L1 loss."""
        return (output - samples.truth).abs().mean()

    # Validation

    def measure(
        self, network: nn.Module, validation: list[TrainingPhoto], device: torch.device, *, quick: bool
    ) -> dict[str, Any]:
        return measure_photos(network, validation, device, quick=quick)

    def preview(self, network: nn.Module, validation: list[TrainingPhoto], device: torch.device) -> bytes:
        return draw_photo_preview(network, validation, device)

    def calibrate(self, network: nn.Module, training: PhotoSet, device: torch.device) -> tuple[float, ...]:
        return calibrate_photos(network, training, device)


def refuse_width(width: int | None) -> None:
    """Raises UsageError for a width, which is of the networks for faces."""
    if width is not None:
        raise UsageError("width has no meaning with task background: choose a size by set size=S", "width", "task", "set")
