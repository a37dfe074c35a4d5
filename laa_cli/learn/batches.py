"""Training batches: which faces a step sees, and how they are shifted and flipped. All of it follows from seed and step."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from models.protocol import HR_SIZE

MAX_SHIFT_PX = 4  # a detector's box is rarely further off than this at 128 px


class Batches:
    """Endless batches over a set of faces, (N, 3, 144, 144) uint8; each epoch is a permutation of the set.

    A batch depends on seed and step alone, so that a resumed run sees what it would have seen.
    """

    def __init__(self, faces: Tensor, size: int, seed: int) -> None:
        self.faces, self.size, self.seed = faces, size, seed

    def __call__(self, step: int) -> Tensor:
        """The batch of a step: (size, 3, 128, 128) uint8 RGB."""
        random = generator(self.seed, step)
        middle = (self.faces.shape[-1] - HR_SIZE) // 2
        reach = min(MAX_SHIFT_PX, middle)
        corners = middle + torch.randint(-reach, reach + 1, (self.size, 2), generator=random)
        flips = torch.rand(self.size, generator=random) < 0.5
        crops = []
        for place, (top, left), flip in zip(self.places(step), corners.tolist(), flips.tolist(), strict=True):
            crop = self.faces[place, :, top : top + HR_SIZE, left : left + HR_SIZE]
            crops.append(crop.flip(2) if flip else crop)
        return torch.stack(crops)

    def places(self, step: int) -> list[int]:
        """Which faces a step sees."""
        count = len(self.faces)
        positions = range(step * self.size, (step + 1) * self.size)
        return [int(order(count, self.seed, position // count)[position % count]) for position in positions]


@lru_cache(maxsize=2)
def order(count: int, seed: int, epoch: int) -> Tensor:
    """The permutation of one epoch."""
    return torch.randperm(count, generator=generator(seed, epoch))


def generator(seed: int, number: int) -> torch.Generator:
    """Random numbers of their own for a step or an epoch."""
    return torch.Generator().manual_seed(seed * 1_000_003 + number)
