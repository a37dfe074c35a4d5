"""Quality of super-resolution methods on faces of known truth: the methods, their metrics by face, and confidence intervals.

Methods are two baselines, our networks as the paper runs them, our networks as `upscale` runs them, and peers (`peers.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import torch
from torch import Tensor

from models.checkpoint import DEFAULT_WEIGHTS, PROTOCOL_WEIGHTS, WEIGHTS, load
from models.protocol import network_input, reduce

from ..console import Screen
from ..interfaces import FaceCrop
from ..restore.back_projection import back_project
from ..restore.restorer import NetworkRestorer
from ..restore.runtime import Runtime
from ..utils.hardware import count_flops
from .perceptual import Metric

BATCH = 16  # faces at once
FACE_WEIGHTS = (DEFAULT_WEIGHTS, PROTOCOL_WEIGHTS)  # the shipped ones; there are others for the background
BICUBIC, BACK_PROJECTION = "bicubic", "back-projection"  # names of the baselines
RESAMPLES = 2000  # of the bootstrap
CONFIDENCE_LEVEL = 0.95

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


@dataclass(frozen=True)
class MethodResult:
    """A method's figures: each metric by face, (n,), and the cost of a face."""

    method: Method
    figures: dict[str, Tensor]
    gflops: float  # of one face; a multiplication and its addition are two operations
    ms: float  # per face, in batches of `method.batch`

    def mean(self, key: str) -> MeanInterval:
        """Computes the mean of a metric."""
        return bootstrap_mean(self.figures[key])

    def gain(self, key: str, over: MethodResult) -> MeanInterval:
        """Computes the mean gain of a metric over another method's, paired by face."""
        return bootstrap_mean(self.figures[key] - over.figures[key])


@dataclass(frozen=True)
class MeanInterval:
    """A mean and its 95 % confidence interval."""

    mean: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2


def baselines() -> list[Method]:
    """Returns bicubic, and bicubic corrected by the known reduction: what any method has to beat."""
    return [
        Method(BICUBIC, "baseline", network_input),
        Method(BACK_PROJECTION, "baseline", back_project_bicubic, note="bicubic, corrected by the reduction's error"),
    ]


def back_project_bicubic(crops: Tensor) -> Tensor:
    """Enlarges crops (n, 3, e, e) in [0, 1] to (n, 3, 128, 128): iterative back-projection of bicubic."""
    return back_project(network_input(crops), crops)


def our_methods(weights: list[Path], device: torch.device) -> list[Method]:
    """Loads each shipped weights file and each given one as the network alone; then those that `upscale` would run with."""
    files = [*FACE_WEIGHTS, *weights]
    networks = [
        Method(
            weights_name(path),
            "network",
            NetworkRestorer.load(path, Runtime.on(device)).network_only,
            count_parameters(path),
            "network alone, as in the paper",
        )
        for path in files
    ]
    upscale = [
        Method(name, "upscale", restore_batches(restorer), count_parameters(path), "as upscale runs it")
        for (name, restorer), path in zip(our_restorers(weights, device).items(), weights or [DEFAULT_WEIGHTS], strict=True)
    ]
    return [*networks, *upscale]


def our_restorers(weights: list[Path], device: torch.device) -> dict[str, NetworkRestorer]:
    """Loads what `upscale` can run with, by the name of its row: the given weights, in their order, or what is shipped."""
    if len(weights) < 2:
        return {"laa": NetworkRestorer.load(weights[0] if weights else None, Runtime.on(device))}
    return {f"laa, {weights_name(path)}": NetworkRestorer.load(path, Runtime.on(device)) for path in weights}


def restore_batches(restorer: NetworkRestorer) -> Restore:
    """Makes a restorer take and return a tensor with a batch dimension."""
    return lambda crops: torch.stack([restored.face for restored in restorer([FaceCrop(crop) for crop in crops])])


def weights_name(path: Path) -> str:
    """Returns how a weights file is called in tables: the shipped ones by name, others by the path that was given."""
    return path.stem if path.parent == WEIGHTS else str(path)


def count_parameters(path: Path) -> int:
    """Counts the parameters of the network in a weights file."""
    return sum(parameter.numel() for parameter in load(path)[0].parameters())


def evaluate(method: Method, faces: Tensor, metrics: list[tuple[str, Metric]], screen: Screen) -> MethodResult:
    """Measures a method by the protocol. `faces`: (n, 3, 128, 128) uint8 RGB, the truth."""
    flops = count_flops(method.restore, reduce(faces[:1].float().div(255)))  # a warm-up, too
    parts: dict[str, list[Tensor]] = {key: [] for key, _ in metrics}
    times_ms: list[float] = []
    for part in screen.track(list(faces.split(method.batch)), method.name):
        truth = part.float().div(255)
        output, seconds = time_restore(method, reduce(truth))
        times_ms.append(1000 * seconds / len(part))
        for key, metric in metrics:
            parts[key].append(metric(output, truth))
    return MethodResult(method, {key: torch.cat(values) for key, values in parts.items()}, flops / 1e9, median(times_ms))


@torch.inference_mode()
def time_restore(method: Method, crops: Tensor) -> tuple[Tensor, float]:
    """Restores crops (n, 3, 16, 16) and returns the seconds it took; faces end on the CPU, so a GPU is waited for."""
    start = time.perf_counter()
    output = method.restore(crops)
    return output, time.perf_counter() - start


def bootstrap_mean(values: Tensor, seed: int = 0) -> MeanInterval:
    """Computes the mean of (n,) values, one for each face, and its bootstrap confidence interval (percentiles over faces)."""
    values = values.double()
    random = torch.Generator().manual_seed(seed)
    draws = torch.randint(len(values), (RESAMPLES, len(values)), generator=random)
    tails = torch.tensor([(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2], dtype=torch.float64)
    low, high = values[draws].mean(1).quantile(tails).tolist()
    return MeanInterval(values.mean().item(), low, high)
