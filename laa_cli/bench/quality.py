"""Every method on every face by the protocol, with every metric that can be had."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from models.protocol import reduce

from ..console import Screen
from .methods import Method
from .perceptual import Metric
from .stats import MeanInterval, bootstrap_mean


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
