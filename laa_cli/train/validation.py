"""Figures of a network on held-out faces, always beside bicubic's: under the protocol, or on a task's own samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.metrics import psnr_db, ssim
from models.protocol import network_input, reduce

from .face_data import FaceSamples


@dataclass(frozen=True)
class ValidationFigures:
    """PSNR (dB) and SSIM on Y per face, each (n,), of the network and of bicubic."""

    psnr_db: Tensor
    ssim: Tensor
    bicubic_psnr_db: Tensor
    bicubic_ssim: Tensor

    def summary(self) -> dict[str, Any]:
        """Averages over the faces, as a checkpoint's card holds them."""
        means = {name: value.mean().item() for name, value in vars(self).items()}
        gain = means["psnr_db"] - means["bicubic_psnr_db"]
        return {"validated_faces": len(self.psnr_db)} | means | {"gain_db": gain}


@torch.inference_mode()
def validate(
    network: Callable[[Tensor], Tensor], faces: Tensor, device: torch.device, batch_size: int = 16
) -> ValidationFigures:
    """Reduces, restores on the device and compares on the CPU. `faces`: (n, 3, 128, 128) uint8 RGB, the truth."""
    parts = []
    for truth in faces.split(batch_size):
        hr = truth.float().div(255)
        enlarged = network_input(reduce(hr))
        restored = network(enlarged.to(device)).float().cpu()
        parts.append((psnr_db(restored, hr), ssim(restored, hr), psnr_db(enlarged, hr), ssim(enlarged, hr)))
    return ValidationFigures(*(torch.cat(column) for column in zip(*parts, strict=True)))


@torch.inference_mode()
def mean_gain_db(network: Callable[[Tensor], Tensor], batches: Iterable[FaceSamples], device: torch.device) -> float:
    """Computes the mean gain of the network alone over bicubic, PSNR on Y in dB, on batches of samples on the CPU."""
    gains = []
    for samples in batches:
        (enlarged,) = samples.network_inputs()
        restored = network(enlarged.to(device)).float().cpu()
        gains.append(psnr_db(restored, samples.truth) - psnr_db(enlarged, samples.truth))
    return torch.cat(gains).mean().item()
