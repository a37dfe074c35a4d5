"""Figures of a network on held-out faces, under the protocol and always beside bicubic's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.metrics import psnr_db, ssim
from models.protocol import network_input, reduce

from .tasks import BlindTask


@dataclass(frozen=True)
class ValidationFigures:
    """PSNR (dB) and SSIM on Y per face, each (n,), of the network and of bicubic."""

    psnr_db: Tensor
    ssim: Tensor
    bicubic_psnr_db: Tensor
    bicubic_ssim: Tensor

    def summary(self) -> dict[str, Any]:
        """The means, as a checkpoint's card holds them."""
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
def photo_gain_db(network: Callable[[Tensor], Tensor], faces: Tensor, device: torch.device, batch_size: int = 16) -> float:
    """Mean gain of the network alone over bicubic, PSNR on Y, on faces with the sizes and faults that `Photo` gives them."""
    random = torch.Generator().manual_seed(0)  # the same sizes and faults each time
    gains = []
    for part in faces.split(batch_size):
        samples = BlindTask().corrupt_batch(part.float().div(255), random)
        enlarged = torch.cat([network_input(crop[None]) for crop in samples.crops])
        restored = network(enlarged.to(device)).float().cpu()
        gains.append(psnr_db(restored, samples.truth) - psnr_db(enlarged, samples.truth))
    return torch.cat(gains).mean().item()
