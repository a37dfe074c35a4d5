"""Timing: wall-clock rounds of a piece of work with warm-up, median and interquartile range; seconds by stage."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles

import torch

WARM_UP_ROUNDS = 2
MIN_ROUNDS, MAX_ROUNDS = 3, 1000  # whatever the time they take

Clock = Callable[[], float]  # seconds


@dataclass(frozen=True)
class Timing:
    """The time of one call of `what`, on `batch` items. `gflops`: floating-point operations of a call in 10^9, where known."""

    what: str
    device: str
    precision: str
    batch: int
    median_ms: float
    iqr_ms: float  # interquartile range
    best_ms: float
    rounds: int
    gflops: float | None = None

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What must be equal for a comparison with another run."""
        return self.what, self.device, self.precision, self.batch

    @property
    def per_second(self) -> float:
        """Items per second."""
        return 1000 * self.batch / self.median_ms

    @property
    def best_flops_per_s(self) -> float:
        """FLOP/s of the fastest round; 0 where the operations are not known."""
        return 1e9 * (self.gflops or 0) / (self.best_ms / 1000)

    def share_of(self, limit: Timing) -> float | None:
        """Computes the utilisation: FLOP/s by the median over those of the limit's fastest round."""
        if self.gflops is None or limit.gflops is None:
            return None
        return (self.gflops / self.median_ms) / (limit.gflops / limit.best_ms)


def time_rounds(
    work: Callable[[], object], device: torch.device, seconds: float, clock: Clock = time.perf_counter
) -> list[float]:
    """Times calls of `work`, in ms, after a warm-up that is not timed: as many as fit into `seconds`, but at least three."""
    for _ in range(WARM_UP_ROUNDS):
        work()
    synchronize(device)
    times_ms: list[float] = []
    while len(times_ms) < MIN_ROUNDS or (sum(times_ms) < 1000 * seconds and len(times_ms) < MAX_ROUNDS):
        start = clock()
        work()
        synchronize(device)
        times_ms.append(1000 * (clock() - start))
    return times_ms


def interquartile_range(times_ms: list[float]) -> float:
    """Computes the distance from the first quartile to the third, by linear interpolation."""
    first, _, third = quantiles(times_ms, method="inclusive")
    return third - first


def summarize(what: str, device: str, precision: str, batch: int, times_ms: list[float], gflops: float | None = None) -> Timing:
    """Reduces the rounds of `time_rounds`, in ms, to a Timing."""
    return Timing(
        what, device, precision, batch, median(times_ms), interquartile_range(times_ms), min(times_ms), len(times_ms), gflops
    )


def synchronize(device: torch.device) -> None:
    """Waits until a GPU has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


class StageTimer:
    """A stopwatch with a lap for each stage; `seconds` holds the time of each by its name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Ends a stage and begins the next."""
        now = time.perf_counter()
        self.seconds[stage] = now - self.last
        self.last = now

    def add(self, seconds: dict[str, float]) -> None:
        """Adds stages that were timed elsewhere, and begins the next stage now."""
        self.seconds |= seconds
        self.last = time.perf_counter()
