"""Detects divergence: the loss of the last steps against the losses before."""

from __future__ import annotations

import math
from collections import deque
from statistics import median

import torch
from torch import Tensor

from ..errors import LaaError
from .parallel import Distributed

HISTORY = 50  # good checks whose median is the loss to compare with
FIRST = 5  # good checks before there is a verdict
WORSE = 3.0  # times the median
PATIENCE = 10  # bad checks in a row that end the run


class DivergenceError(LaaError):
    """A run that cannot go on from where it is, because its loss or its weights are no longer sensible."""

    def __init__(self, symptom: str) -> None:
        advice = "go on from the last good state with --resume and a lower --learning-rate"
        super().__init__(f"{symptom}: training diverged: {advice}")


class LossMonitor:
    """Collects losses without making a GPU wait, and judges them at each check."""

    def __init__(self, distributed: Distributed) -> None:
        self.distributed = distributed
        self.recent: list[Tensor] = []  # losses since the last check
        self.means = deque[float](maxlen=HISTORY)
        self.bad_checks = 0  # in a row

    @property
    def is_good(self) -> bool:
        """Whether the last check was good, so that the state may be saved."""
        return self.bad_checks == 0

    @property
    def recent_are_finite(self) -> bool:
        """Whether all losses since the last check are finite."""
        return all(bool(loss.isfinite()) for loss in self.recent)

    def add(self, loss: Tensor) -> None:
        """Adds a step's loss, ()."""
        self.recent.append(loss)

    def check(self, step: int) -> float:
        """Averages the losses of all processes since the last check. Raises DivergenceError where training cannot go on."""
        mean = torch.stack(self.recent).float().mean().item() if self.recent else math.nan
        mean = self.distributed.all_reduce_sum(mean)[0] / self.distributed.world_size
        self.recent = []
        self.bad_checks = self.bad_checks + 1 if self.is_worse(mean) else 0
        if not math.isfinite(mean) or self.bad_checks == PATIENCE:
            raise DivergenceError(f"the loss is {mean:.4g} at step {step}")
        if self.is_good:
            self.means.append(mean)
        return mean

    def is_worse(self, mean: float) -> bool:
        """Tells whether a loss is not finite, or far above the median before it."""
        return not math.isfinite(mean) or (len(self.means) >= FIRST and mean > WORSE * median(self.means))
