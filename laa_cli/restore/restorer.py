"""Super-resolving face crops with the network, then back-projecting them onto what the photo shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from models.checkpoint import DEFAULT_WEIGHTS, CheckpointError, ModelCard, load
from models.laa.config import LAAConfig
from models.laa.network import LAATransformer
from models.protocol import HR_SIZE, LR_SIZE, network_input, reduce

from ..errors import LaaError, out_of_memory
from ..interfaces import FaceCrop, RestoredFace
from ..options import ModelOptions
from .back_projection import back_project_partially, rmse_at_crop_resolution
from .doubt_features import FEATURES as DOUBT_FEATURES
from .face_network import Network, build_face_network
from .fidelity import FEATURES, estimate_fidelity
from .runtime import Runtime

MAX_NOISY_CROP_PX = 64  # a larger crop with noise or blocks is better as it is, a clean one is not: see docs/laa-photo.md
CLEAN_FIDELITY = 0.5  # a crop with a higher estimate is taken for clean: fidelity 1
CALL_SIZE = 16  # faces in a call of the network, halved where memory runs out

Notice = Callable[[str], None]  # says a line to people


def silent(text: str) -> None:
    """A `Notice` that says nothing."""


class NetworkRestorer:
    """A FaceRestorer: the network on its device, then back-projection onto what the photo shows.

    `crop_px`: smallest and largest side of the crops that the network was trained for; others are resized to it. `fidelity`:
    how far a face is back-projected onto what the photo shows, 0..1; None: as far as the crop can be trusted, estimated by
    `fidelity_coefficients`, from the weights' card; without those it is 1. `doubt_coefficients`: from there, too, see `doubt`.
    """

    def __init__(
        self,
        network: Network,
        device: torch.device,
        crop_px: tuple[int, int] = (LR_SIZE, LR_SIZE),
        fidelity: float | None = None,
        fidelity_coefficients: tuple[float, ...] = (),
        doubt_coefficients: tuple[float, ...] = (),
    ) -> None:
        ModelOptions(fidelity=fidelity)  # checks the range
        self.network = network
        self.device = device
        self.crop_px = crop_px
        self.fidelity = fidelity
        self.fidelity_coefficients = fidelity_coefficients
        self.doubt_coefficients = doubt_coefficients

    @classmethod
    def load(
        cls,
        weights: Path | None,
        runtime: Runtime,
        fidelity: float | None = None,
        notice: Notice = silent,
    ) -> NetworkRestorer:
        """Loads a weights file, by default the one that laa ships; `notice` as in `read_weights`. LaaError where that fails."""
        network, card = read_weights(weights or DEFAULT_WEIGHTS, notice)
        crop_px = card.crop_px or (LR_SIZE, LR_SIZE)  # a face network's card always has it
        run = build_face_network(network, runtime)
        return cls(run, runtime.device, crop_px, fidelity, card.fidelity_coefficients, card.doubt_coefficients)

    @property
    def batch_size(self) -> int:
        """Crops for a call with the most throughput. On a CPU the network takes one face after the other anyway."""
        return 1 if self.device.type == "cpu" else CALL_SIZE

    @torch.inference_mode()
    def __call__(self, crops: Sequence[FaceCrop]) -> list[RestoredFace]:
        """Restores crops: see `interfaces.FaceRestorer`."""
        if not crops:
            return []
        inputs = torch.cat([self.prepare_input(crop.image) for crop in crops])
        outputs = run_in_batches(self.run_batch, inputs, CALL_SIZE)
        return [self.finalize(output[None], crop.image[None]) for output, crop in zip(outputs, crops, strict=True)]

    def prepare_input(self, crop: Tensor) -> Tensor:
        """Resizes a crop (3, e, e) to the network's input (1, 3, 128, 128)."""
        side = min(max(crop.shape[-1], self.crop_px[0]), self.crop_px[1])
        return network_input(crop[None] if side == crop.shape[-1] else reduce(crop[None], side))

    def finalize(self, output: Tensor, crop: Tensor) -> RestoredFace:
        """Back-projects the network's output (1, 3, 128, 128) onto what the photo shows, (1, 3, e, e)."""
        fidelity = self.estimate_fidelity(output, crop) if self.fidelity is None else self.fidelity
        worthwhile = self.fidelity is not None or fidelity == 1 or crop.shape[-1] <= MAX_NOISY_CROP_PX
        face = back_project_partially(output, crop, fidelity) if worthwhile else network_input(crop)
        return RestoredFace(face[0], fidelity, rmse_at_crop_resolution(face, crop), worthwhile)

    def estimate_fidelity(self, output: Tensor, crop: Tensor) -> float:
        """Estimates how far to trust a crop, 0..1; of one that the network did not see in its own size nothing is known: 1."""
        if not self.fidelity_coefficients or not self.crop_px[0] <= crop.shape[-1] <= self.crop_px[1]:
            return 1.0
        found = estimate_fidelity(self.fidelity_coefficients, output, crop)
        return found if found < CLEAN_FIDELITY else 1.0

    @torch.inference_mode()
    def network_only(self, lr: Tensor) -> Tensor:
        """Runs the network without back-projection: (n, 3, 16, 16) -> (n, 3, 128, 128), RGB, [0, 1], output not clamped."""
        return run_in_batches(self.run_batch, network_input(lr), CALL_SIZE)

    def run_batch(self, inputs: Tensor) -> Tensor:
        """Runs one batch (n, 3, 128, 128) -> the same on the CPU."""
        return self.network(inputs.to(self.device)).float().cpu()


def run_in_batches(function: Callable[[Tensor], Tensor], inputs: Tensor, size: int) -> Tensor:
    """Applies `function` to batches of `inputs`, smaller ones where the device's memory does not hold them."""
    try:
        return torch.cat([function(batch) for batch in inputs.split(size)])
    except RuntimeError as error:
        if size == 1 or not out_of_memory(error):
            raise
    torch.cuda.empty_cache()  # does nothing where there is no CUDA
    return run_in_batches(function, inputs, size // 2)


def read_weights(path: Path, notice: Notice = silent) -> tuple[LAATransformer, ModelCard[LAAConfig]]:
    """Reads a weights file: its network, in evaluation mode on the CPU, and its card. LaaError where it cannot be used.

    `notice` is called with a line about a file that nothing tells the wholeness of, as older versions wrote it.
    """
    try:
        network, card = load(path)
    except OSError as error:
        raise LaaError(f"cannot read the weights {path}: {error.strerror or error}") from error
    except CheckpointError as error:
        raise LaaError(f"cannot use the weights {path}: the file {error}") from error
    if not isinstance(network, LAATransformer):
        raise LaaError(f"cannot use the weights {path}: their architecture {card.architecture} does not restore faces")
    if len(card.fidelity_coefficients) not in (0, FEATURES) or len(card.doubt_coefficients) not in (0, DOUBT_FEATURES):
        raise LaaError(f"cannot use the weights {path}: they are of another version of laa")
    if card.config.image_size != HR_SIZE:
        raise LaaError(f"cannot use the weights {path}: their network is for {card.config.image_size} px, not {HR_SIZE}")
    if not card.verified:
        notice(f"the weights {path} are of an older laa and have no SHA-256 to check them by")
    return network, card
