"""Precision: in which type the networks' products are computed. Needs no torch until it is to choose."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from .amx import is_amx_undescribed

if TYPE_CHECKING:
    import torch

AUTO, FLOAT32, BFLOAT16 = PRECISIONS = ("auto", "float32", "bfloat16")


def choose_precision(name: str, device: torch.device) -> str:
    """Returns the precision of this name; of AUTO bfloat16 where the device has instructions for it, and float32 elsewhere."""
    if name != AUTO:
        return name
    return BFLOAT16 if device.type == "cuda" or (device.type == "cpu" and cpu_has_bfloat16()) else FLOAT32


def cpu_has_bfloat16() -> bool:
    """Tells whether the CPU multiplies bfloat16: AVX-512 BF16 or AMX, or ARM's BF16. Without, it is slow.

    So it is on Intel's CPUs whose AMX laa has to avoid: a face took 145 ms by AVX-512 BF16 alone, 120 in float32.
    """
    import torch

    if platform.machine().lower() in ("arm64", "aarch64"):
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # asks the system
    if is_amx_undescribed():
        return False
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
