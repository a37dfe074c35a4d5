"""How sure a mean over faces is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

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
