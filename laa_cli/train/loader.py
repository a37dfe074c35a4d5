"""Which faces a training step sees. All of it follows from seed and step."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache

import torch
from torch import Tensor

from .parallel import Distributed
from .tasks import Samples, TrainingTask


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


# What each step trains on, made where it is needed: on the device, and there ahead of time.


ROOM = 0.5  # share of a GPU's free memory that the faces may take


class PrefetchLoader:
    """The samples of a step, this process's share of them; they depend on the step alone.

    Beside a GPU a thread makes the next step's samples meanwhile; on a CPU it would only take time from the step.
    """

    def __init__(self, batches: EpochSampler, degrade: TrainingTask, device: torch.device, world: Distributed) -> None:
        self.batches, self.degrade, self.device, self.world = batches, degrade, device, world
        batches.faces = to_device_if_fits(batches.faces, device)
        self.pool = ThreadPoolExecutor(1) if device.type != "cpu" else None
        self.ready: tuple[int, Future[Samples]] | None = None

    def __call__(self, step: int) -> Samples:
        if self.pool is None:
            return self.make(step)
        waiting = self.ready[1] if self.ready and self.ready[0] == step else self.pool.submit(self.make, step)
        self.ready = step + 1, self.pool.submit(self.make, step + 1)
        return waiting.result()

    def make(self, step: int) -> Samples:
        """The whole batch is drawn and then shared, so that it is the same whatever the number of processes."""
        faces, random = self.batches(step)
        return self.world.shard(self.degrade(faces.to(self.device), random))


def to_device_if_fits(faces: Tensor, device: torch.device) -> Tensor:
    """The faces, uint8, on the GPU where they fit."""
    if device.type != "cuda" or faces.nbytes > ROOM * torch.cuda.mem_get_info(device)[0]:
        return faces
    return faces.to(device)
