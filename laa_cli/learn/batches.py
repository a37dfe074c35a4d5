"""Which faces a training step sees. All of it follows from seed and step."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


class EpochSampler:
    """Endless batches over a set of faces, (N, 3, s, s) uint8; each epoch is a permutation of the set.

    A batch depends on seed and step alone, so that a resumed run sees what it would have seen.
    """

    def __init__(self, faces: Tensor, size: int, seed: int) -> None:
        self.faces, self.size, self.seed = faces, size, seed

    def __call__(self, step: int) -> tuple[Tensor, torch.Generator]:
        """The faces of a step, (size, 3, s, s) uint8 RGB, and the random numbers to change them with."""
        return self.faces[self.indices(step)], generator(self.seed, step)

    def indices(self, step: int) -> list[int]:
        """Which faces a step sees."""
        count = len(self.faces)
        positions = range(step * self.size, (step + 1) * self.size)
        return [int(epoch_permutation(count, self.seed, position // count)[position % count]) for position in positions]


@lru_cache(maxsize=2)
def epoch_permutation(count: int, seed: int, epoch: int) -> Tensor:
    """The permutation of one epoch."""
    return torch.randperm(count, generator=generator(seed, epoch))


def generator(seed: int, number: int) -> torch.Generator:
    """Random numbers of their own for a step or an epoch."""
    return torch.Generator().manual_seed(seed * 1_000_003 + number)
