"""Faces through the network: crops in, restored faces out, true to the photo they came from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from models.checkpoint import SHIPPED, CheckpointError, load
from models.protocol import HR_SIZE, LR_SIZE, network_input, reduce, resize

from .errors import LaaError, out_of_memory

BATCH = 16  # faces at once, halved where memory runs out
PROJECTIONS = 3  # rounds of back-projection

Network = Callable[[Tensor], Tensor]  # (n, 3, 128, 128) in [0, 1] -> the same shape


class Restorer:
    """The network on its device. Call with crops (3, e, e) RGB in [0, 1], any e -> faces (3, 128, 128) in [0, 1].

    `crop_px`: smallest and largest side of the crops that the network knows; others are brought to it.
    """

    def __init__(self, network: Network, device: torch.device, crop_px: tuple[int, int] = (LR_SIZE, LR_SIZE)) -> None:
        self.network, self.device, self.crop_px = network, device, crop_px

    @classmethod
    def load(cls, weights: Path | None, device: torch.device) -> Restorer:
        """From a weights file, by default the one that laa ships. LaaError where it cannot be used."""
        path = weights or SHIPPED
        try:
            network, card = load(path)
        except OSError as error:
            raise LaaError(f"cannot read the weights {path}: {error.strerror or error}") from error
        except CheckpointError as error:
            raise LaaError(f"cannot use the weights {path}: the file {error}") from error
        if card.config.image_size != HR_SIZE:
            raise LaaError(f"cannot use the weights {path}: their network is for {card.config.image_size} px, not {HR_SIZE}")
        return cls(network.to(device, memory_format=torch.channels_last), device, card.crop_px)  # type: ignore[call-overload]

    @torch.inference_mode()
    def __call__(self, crops: list[Tensor]) -> list[Tensor]:
        if not crops:
            return []
        restored = in_batches(self.run, torch.cat([self.enlarged(crop) for crop in crops]), BATCH)
        return [true_to_photo(face[None], crop[None])[0] for face, crop in zip(restored, crops, strict=True)]

    def enlarged(self, crop: Tensor) -> Tensor:
        """The network's input for a crop (3, e, e): (1, 3, 128, 128)."""
        side = min(max(crop.shape[-1], self.crop_px[0]), self.crop_px[1])
        return network_input(crop[None] if side == crop.shape[-1] else reduce(crop[None], side))

    @torch.inference_mode()
    def alone(self, lr: Tensor) -> Tensor:
        """The network's own answer, without regard to the photo: (n, 3, 16, 16) -> (n, 3, 128, 128), not clamped."""
        return in_batches(self.run, network_input(lr), BATCH)

    def run(self, inputs: Tensor) -> Tensor:
        """One batch: bf16 on a GPU, where it halves time and memory; float32 elsewhere."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            return self.network(inputs.to(self.device)).float().cpu()


def in_batches(function: Callable[[Tensor], Tensor], inputs: Tensor, size: int) -> Tensor:
    """Applies `function` to batches of `inputs`, smaller ones where the device's memory does not hold them."""
    try:
        return torch.cat([function(batch) for batch in inputs.split(size)])
    except RuntimeError as error:
        if size == 1 or not out_of_memory(error):
            raise
    torch.cuda.empty_cache()  # does nothing where there is no CUDA
    return in_batches(function, inputs, size // 2)


def true_to_photo(faces: Tensor, crops: Tensor, rounds: int = PROJECTIONS) -> Tensor:
    """Corrects faces until they show, reduced to the photo's resolution, what the photo shows.

    Iterative back-projection (Irani & Peleg 1991): `faces` (n, 3, s, s), `crops` (n, 3, e, e) -> (n, 3, s, s) in [0, 1].
    The paper has no such step. It costs little beside the network, keeps colours and pose from drifting, and gives a crop
    larger than 16 px back what the reduction to 16x16 took from it.
    """
    for _ in range(rounds):
        faces = faces + resize(crops - resize(faces, crops.shape[-1]), faces.shape[-1])
    return faces.clamp(0, 1)
