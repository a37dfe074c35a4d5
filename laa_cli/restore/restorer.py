"""Faces through the network: crops in, restored faces out, true to the photo they came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from models.checkpoint import DEFAULT_WEIGHTS, CheckpointError, ModelCard, load
from models.laa.config import LAAConfig
from models.laa.network import LAATransformer
from models.protocol import HR_SIZE, LR_SIZE, network_input, reduce

from ..errors import Exit, LaaError, out_of_memory
from .back_projection import back_project_partially, rmse_at_crop_resolution
from .fidelity import FEATURES, estimate_fidelity

MAX_NOISY_CROP_PX = 64  # a larger crop with noise or blocks is better as it is, a clean one is not: see docs/laa-photo.md
CLEAN_FIDELITY = 0.5  # a crop that deserves more fidelity is taken for clean
GPU_BATCH = 16  # faces at once, halved where memory runs out


@dataclass(frozen=True)
class RestoredFace:
    """A restored face (3, 128, 128) RGB in [0, 1].

    `fidelity`: how far it was brought to what the photo shows, 0..1. `consistency`: what difference is left, as RMSE between
    the face, reduced to the photo's resolution, and the crop, 0..1. Where it is not `worthwhile`, no gain is to be expected and
    the face is the crop's plain enlargement.
    """

    face: Tensor
    fidelity: float
    consistency: float
    worthwhile: bool = True


Network = Callable[[Tensor], Tensor]  # (n, 3, 128, 128) in [0, 1] -> the same shape


class NetworkRestorer:
    """The network on its device. Call with crops (3, e, e) RGB in [0, 1], any e -> faces (3, 128, 128) in [0, 1].

    `crop_px`: smallest and largest side of the crops that the network knows; others are brought to it. `fidelity`: how far a
    face is brought to what the photo shows, 0..1, by default as far as the crop can be believed, which `gauge` tells, the
    coefficients in the weights' card; without those it is 1.
    """

    def __init__(
        self,
        network: Network,
        device: torch.device,
        crop_px: tuple[int, int] = (LR_SIZE, LR_SIZE),
        fidelity: float | None = None,
        gauge: tuple[float, ...] = (),
    ) -> None:
        if fidelity is not None and not 0 <= fidelity <= 1:
            raise LaaError(f"--fidelity must be from 0 to 1, not {fidelity:g}", Exit.USAGE)
        self.network, self.device, self.crop_px = network, device, crop_px
        self.fidelity, self.fidelity_coefficients = fidelity, gauge

    @classmethod
    def load(cls, weights: Path | None, device: torch.device, fidelity: float | None = None) -> NetworkRestorer:
        """From a weights file, by default the one that laa ships. LaaError where it cannot be used."""
        network, card = read_weights(weights or DEFAULT_WEIGHTS)
        network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cls(network, device, card.crop_px, fidelity, card.fidelity_coefficients)

    @torch.inference_mode()
    def __call__(self, crops: list[Tensor]) -> list[RestoredFace]:
        if not crops:
            return []
        answers = run_in_batches(self.run_batch, torch.cat([self.prepare_input(crop) for crop in crops]), self.batch_size)
        return [self.finalize(answer[None], crop[None]) for answer, crop in zip(answers, crops, strict=True)]

    def finalize(self, answer: Tensor, crop: Tensor) -> RestoredFace:
        """What the network drew, (1, 3, 128, 128), brought to what the photo shows, (1, 3, e, e)."""
        strength = self.estimate_fidelity(answer, crop) if self.fidelity is None else self.fidelity
        worthwhile = self.fidelity is not None or strength == 1 or crop.shape[-1] <= MAX_NOISY_CROP_PX
        face = back_project_partially(answer, crop, strength) if worthwhile else network_input(crop)
        return RestoredFace(face[0], strength, rmse_at_crop_resolution(face, crop), worthwhile)

    def estimate_fidelity(self, answer: Tensor, crop: Tensor) -> float:
        """The fidelity that a crop deserves. Of one that the network did not see in its own size the answer says nothing."""
        if not self.fidelity_coefficients or not self.crop_px[0] <= crop.shape[-1] <= self.crop_px[1]:
            return 1.0
        found = estimate_fidelity(self.fidelity_coefficients, answer, crop)
        return found if found < CLEAN_FIDELITY else 1.0

    @property
    def batch_size(self) -> int:
        """Faces that the network sees at once. A CPU's cache holds the maps of one: it takes 67 ms, of 16 each takes 94."""
        return 1 if self.device.type == "cpu" else GPU_BATCH

    def prepare_input(self, crop: Tensor) -> Tensor:
        """The network's input for a crop (3, e, e): (1, 3, 128, 128)."""
        side = min(max(crop.shape[-1], self.crop_px[0]), self.crop_px[1])
        return network_input(crop[None] if side == crop.shape[-1] else reduce(crop[None], side))

    @torch.inference_mode()
    def network_only(self, lr: Tensor) -> Tensor:
        """The network's own answer, without regard to the photo: (n, 3, 16, 16) -> (n, 3, 128, 128), not clamped."""
        return run_in_batches(self.run_batch, network_input(lr), self.batch_size)

    def run_batch(self, inputs: Tensor) -> Tensor:
        """One batch: bf16 on a GPU, where it halves time and memory; float32 elsewhere."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
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


def read_weights(path: Path) -> tuple[LAATransformer, ModelCard[LAAConfig]]:
    """A weights file's network, in evaluation mode on the CPU, and its card. LaaError where it cannot be used."""
    try:
        network, card = load(path)
    except OSError as error:
        raise LaaError(f"cannot read the weights {path}: {error.strerror or error}") from error
    except CheckpointError as error:
        raise LaaError(f"cannot use the weights {path}: the file {error}") from error
    if not isinstance(network, LAATransformer):
        raise LaaError(f"cannot use the weights {path}: their architecture {card.architecture} does not restore faces")
    if card.fidelity_coefficients and len(card.fidelity_coefficients) != FEATURES:
        raise LaaError(f"cannot use the weights {path}: they are of another version of laa")
    if card.config.image_size != HR_SIZE:
        raise LaaError(f"cannot use the weights {path}: their network is for {card.config.image_size} px, not {HR_SIZE}")
    return network, card
