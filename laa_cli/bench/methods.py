"""What is compared: two baselines, our networks as the paper runs them, and `upscale`'s way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from models.checkpoint import DEFAULT_WEIGHTS, WEIGHTS, load
from models.protocol import network_input

from ..project import back_project
from ..restore import NetworkRestorer

BATCH = 16

Kind = Literal["baseline", "network", "upscale", "peer"]
Restore = Callable[[Tensor], Tensor]  # crops (n, 3, e, e) RGB in [0, 1], 8-bit levels -> faces (n, 3, 128, 128), on the CPU


@dataclass(frozen=True)
class Method:
    """A way from 16x16 to 128x128. `parameters` is None where there is no network; `batch`: faces at once."""

    name: str
    kind: Kind
    restore: Restore
    parameters: int | None = None
    note: str = ""
    batch: int = BATCH


def baselines() -> list[Method]:
    """Bicubic, and bicubic corrected by the known reduction: what any method has to beat."""
    return [
        Method("bicubic", "baseline", network_input),
        Method("back-projection", "baseline", back_project_bicubic, note="bicubic, corrected by the reduction's error"),
    ]


def back_project_bicubic(crops: Tensor) -> Tensor:
    """Iterative back-projection of bicubic."""
    return back_project(network_input(crops), crops)


def our_methods(weights: list[Path], device: torch.device) -> list[Method]:
    """A row for each shipped weights file and each given one, the network alone; then as `upscale` runs them."""
    files = [*sorted(WEIGHTS.glob("*.safetensors")), *weights]
    alone = [
        Method(
            weights_name(path),
            "network",
            NetworkRestorer.load(path, device).network_only,
            count_parameters(path),
            "network alone, as in the paper",
        )
        for path in files
    ]
    whole = [
        Method(name, "upscale", as_method(restorer), count_parameters(path), "as upscale runs it")
        for (name, restorer), path in zip(our_restorers(weights, device).items(), weights or [DEFAULT_WEIGHTS], strict=True)
    ]
    return [*alone, *whole]


def our_restorers(weights: list[Path], device: torch.device) -> dict[str, NetworkRestorer]:
    """Everything that `upscale` can be run with here, by the name of its row: the given weights, or what is shipped."""
    if len(weights) < 2:
        return {"laa": NetworkRestorer.load(weights[0] if weights else None, device)}
    return {f"laa, {weights_name(path)}": NetworkRestorer.load(path, device) for path in weights}


def as_method(restorer: NetworkRestorer) -> Restore:
    """A restorer on a batch."""
    return lambda crops: torch.stack([restored.face for restored in restorer(list(crops))])


def weights_name(path: Path) -> str:
    """How a weights file is called in tables: the shipped ones by name, others as they were given."""
    return path.stem if path.parent == WEIGHTS else str(path)


def count_parameters(path: Path) -> int:
    """Of the network in a weights file."""
    return sum(parameter.numel() for parameter in load(path)[0].parameters())
