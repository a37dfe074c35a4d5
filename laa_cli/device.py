"""Which processor to run on."""

from __future__ import annotations

import torch

from .errors import Exit, LaaError


def choose_device(name: str = "auto") -> torch.device:
    """ "auto", "cpu", "cuda" (or "cuda:1") or "mps" -> a device that is really there; LaaError otherwise."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise LaaError(f"unknown device {name!r}: use auto, cpu, cuda or mps", Exit.USAGE) from None
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device.type, False):
        raise LaaError(f"this machine has no device {name!r}: use --device cpu, or leave it out", Exit.USAGE)
    return device
