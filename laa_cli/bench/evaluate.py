"""What is compared: two baselines, our networks as the paper runs them, and `upscale`'s way."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from models.checkpoint import DEFAULT_WEIGHTS, WEIGHTS, load
from models.protocol import network_input, reduce

from ..console import Screen
from ..interfaces import FaceCrop
from ..restore.back_projection import back_project
from ..restore.restorer import NetworkRestorer
from .perceptual import Metric

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
    return lambda crops: torch.stack([restored.face for restored in restorer([FaceCrop(crop) for crop in crops])])


def weights_name(path: Path) -> str:
    """How a weights file is called in tables: the shipped ones by name, others as they were given."""
    return path.stem if path.parent == WEIGHTS else str(path)


def count_parameters(path: Path) -> int:
    """Of the network in a weights file."""
    return sum(parameter.numel() for parameter in load(path)[0].parameters())


# Every method on every face by the protocol, with every metric that can be had.


@dataclass(frozen=True)
class MethodResult:
    """A method's figures: each metric per face, (n,), and what a face costs."""

    method: Method
    figures: dict[str, Tensor]
    gflops: float  # of one face; a multiplication and an addition are two operations
    ms: float  # per face, in batches of `method.batch`

    def mean(self, key: str) -> MeanInterval:
        """Of a metric."""
        return bootstrap_mean(self.figures[key])

    def gain(self, key: str, over: MethodResult) -> MeanInterval:
        """Of a metric over another row's, face by face."""
        return bootstrap_mean(self.figures[key] - over.figures[key])


def evaluate(method: Method, faces: Tensor, metrics: list[tuple[str, Metric]], screen: Screen) -> MethodResult:
    """One row. `faces`: (n, 3, 128, 128) uint8 RGB, the truth."""
    gflops = count_gflops(method, faces[:1])  # which warms it up, too
    parts: dict[str, list[Tensor]] = {key: [] for key, _ in metrics}
    spent: list[float] = []
    for part in screen.track(list(faces.split(method.batch)), method.name):
        truth = part.float().div(255)
        output, seconds = time_restore(method, reduce(truth))
        spent.append(1000 * seconds / len(part))
        for key, metric in metrics:
            parts[key].append(metric(output, truth))
    return MethodResult(method, {key: torch.cat(values) for key, values in parts.items()}, gflops, median(spent))


@torch.inference_mode()
def time_restore(method: Method, crops: Tensor) -> tuple[Tensor, float]:
    """Restored faces, and the seconds it took; they end on the CPU, so a GPU is waited for."""
    start = time.perf_counter()
    output = method.restore(crops)
    return output, time.perf_counter() - start


@torch.inference_mode()
def count_gflops(method: Method, face: Tensor) -> float:
    """By torch's counter, which counts convolutions, matrix products and attention."""
    with FlopCounterMode(display=False) as counter:
        method.restore(reduce(face.float().div(255)))
    return counter.get_total_flops() / 1e9


# How sure a mean over faces is.


RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class MeanInterval:
    """A mean and its 95 % confidence interval."""

    mean: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Of the interval."""
        return (self.high - self.low) / 2


def bootstrap_mean(values: Tensor, seed: int = 0) -> MeanInterval:
    """The mean of (n,) values, one for each face, and its interval by the percentile bootstrap over the faces."""
    values = values.double()
    random = torch.Generator().manual_seed(seed)
    draws = torch.randint(len(values), (RESAMPLES, len(values)), generator=random)
    tails = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64)
    low, high = values[draws].mean(1).quantile(tails).tolist()
    return MeanInterval(values.mean().item(), low, high)
