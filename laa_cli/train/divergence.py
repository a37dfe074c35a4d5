"""Whether a run is sound: its loss over the last steps against what it was before."""

from __future__ import annotations

import math
from collections import deque
from statistics import median

import torch
from torch import Tensor

from ..errors import LaaError
from .parallel import Distributed

HISTORY = 50  # looks whose median is what the loss was before
FIRST = 5  # looks before there is a judgement
WORSE = 3.0  # times the median
PATIENCE = 10  # looks in a row that are worse


class LossMonitor:
    """Collects losses without making a GPU wait, and judges them at each look."""

    def __init__(self, world: Distributed) -> None:
        self.world, self.recent, self.means, self.worse = world, list[Tensor](), deque[float](maxlen=HISTORY), 0

    @property
    def is_good(self) -> bool:
        """Whether the last look was good, so that the state may be kept."""
        return self.worse == 0

    def add(self, loss: Tensor) -> None:
        """A step's loss."""
        self.recent.append(loss)

    def check(self, step: int) -> float:
        """The mean loss of all processes since the last look. Raises LaaError where training cannot go on with it."""
        mean = torch.stack(self.recent).float().mean().item() if self.recent else math.nan
        mean = self.world.all_reduce_sum(mean)[0] / self.world.size
        self.recent = []
        self.worse = self.worse + 1 if self.is_worse(mean) else 0
        if not math.isfinite(mean) or self.worse == PATIENCE:
            raise divergence_error(f"the loss is {mean:.4g} at step {step}")
        if self.is_good:
            self.means.append(mean)
        return mean

    def is_worse(self, mean: float) -> bool:
        """Whether a loss is far above what it was."""
        return not math.isfinite(mean) or (len(self.means) >= FIRST and mean > WORSE * median(self.means))


def divergence_error(what: str) -> LaaError:
    """The error of a run that lost its way."""
    return LaaError(f"{what}: training diverged: go on from the last good state with --resume and a lower --learning-rate")
