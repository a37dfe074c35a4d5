"""What is compared: two baselines, our networks as the paper runs them, and `upscale`'s way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from models.checkpoint import SHIPPED, WEIGHTS, load
from models.protocol import network_input

from ..project import true_to_photo
from ..restore import Restorer

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
        Method("back-projection", "baseline", projected, note="bicubic, corrected by the reduction's error"),
    ]


def projected(crops: Tensor) -> Tensor:
    """Iterative back-projection of bicubic."""
    return true_to_photo(network_input(crops), crops)


def ours(weights: list[Path], device: torch.device) -> list[Method]:
    """A row for each shipped weights file and each given one, the network alone; then as `upscale` runs them."""
    files = [*sorted(WEIGHTS.glob("*.safetensors")), *weights]
    alone = [
        Method(name_of(path), "network", Restorer.load(path, device).alone, parameters(path), "network alone, as in the paper")
        for path in files
    ]
    whole = [
        Method(name, "upscale", in_full(restorer), parameters(path), "as upscale runs it")
        for (name, restorer), path in zip(restorers(weights, device).items(), weights or [SHIPPED], strict=True)
    ]
    return [*alone, *whole]


def restorers(weights: list[Path], device: torch.device) -> dict[str, Restorer]:
    """Everything that `upscale` can be run with here, by the name of its row: the given weights, or what is shipped."""
    if len(weights) < 2:
        return {"laa": Restorer.load(weights[0] if weights else None, device)}
    return {f"laa, {name_of(path)}": Restorer.load(path, device) for path in weights}


def in_full(restorer: Restorer) -> Restore:
    """A restorer on a batch."""
    return lambda crops: torch.stack([restored.face for restored in restorer(list(crops))])


def name_of(path: Path) -> str:
    """How a weights file is called in tables: the shipped ones by name, others as they were given."""
    return path.stem if path.parent == WEIGHTS else str(path)


def parameters(path: Path) -> int:
    """Of the network in a weights file."""
    return sum(parameter.numel() for parameter in load(path)[0].parameters())
