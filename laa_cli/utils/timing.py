"""How long a piece of work takes: warm-up, repetitions, median and spread."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles

import torch

WARM_UP = 2
LEAST, MOST = 3, 1000  # rounds, whatever the time they take

Clock = Callable[[], float]


@dataclass(frozen=True)
class Timing:
    """What one call of something took. `gflops`: the work in it, where it is known."""

    what: str
    device: str
    precision: str
    batch: int
    median_ms: float
    iqr_ms: float  # from the first quartile to the third
    best_ms: float
    rounds: int
    gflops: float | None = None

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What can be compared with another run."""
        return self.what, self.device, self.precision, self.batch

    @property
    def per_second(self) -> float:
        """Items."""
        return 1000 * self.batch / self.median_ms

    def share_of(self, limit: Timing) -> float | None:
        """Of the work that the limit's fastest round does in a second, how much this does by the median."""
        if self.gflops is None or limit.gflops is None:
            return None
        return (self.gflops / self.median_ms) / (limit.gflops / limit.best_ms)


def time_rounds(
    work: Callable[[], object], device: torch.device, seconds: float, clock: Clock = time.perf_counter
) -> list[float]:
    """Milliseconds of each round, warm-up left out: as many as fit into `seconds`, but at least three."""
    for _ in range(WARM_UP):
        work()
    synchronize(device)
    spent: list[float] = []
    while len(spent) < LEAST or (sum(spent) < 1000 * seconds and len(spent) < MOST):
        start = clock()
        work()
        synchronize(device)
        spent.append(1000 * (clock() - start))
    return spent


def iqr(spent: list[float]) -> float:
    """From the first quartile to the third, by linear interpolation."""
    first, _, third = quantiles(spent, method="inclusive")
    return third - first


def summarize(what: str, device: str, precision: str, batch: int, spent: list[float], gflops: float | None = None) -> Timing:
    """Rounds as a Timing."""
    return Timing(what, device, precision, batch, median(spent), iqr(spent), min(spent), len(spent), gflops)


def synchronize(device: torch.device) -> None:
    """Waits for a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


class StageTimer:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Ends a stage."""
        now = time.perf_counter()
        self.seconds[stage] = now - self.last
        self.last = now

    def add(self, seconds: dict[str, float]) -> None:
        """Adds stages that were timed elsewhere, and goes on from now."""
        self.seconds |= seconds
        self.last = time.perf_counter()
