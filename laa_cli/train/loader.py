"""The dataloader: which items a step sees, and their samples, prefetched. All of it follows from seed and step."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache

import torch
from torch import Tensor

from .parallel import Distributed
from .training_task import Samples, TrainingSet, TrainingTask

MEMORY_SHARE = 0.5  # of a GPU's free memory that the training set may take


class EpochSampler:
    """Draws endless batches from a training set, of faces (n, 3, s, s) uint8, say; each epoch is a permutation of the set.

    A batch depends on seed and step alone, so that a resumed run sees what it would have seen.
    """

    def __init__(self, items: TrainingSet, batch_size: int, seed: int) -> None:
        self.items = items
        self.batch_size = batch_size
        self.seed = seed

    def __call__(self, step: int) -> tuple[TrainingSet, torch.Generator]:
        """Gives the items of a step, `batch_size` of them, and a random generator for their augmentation."""
        return self.items[self.indices(step)], make_generator(self.seed, step)

    def indices(self, step: int) -> list[int]:
        """Computes which items a step sees."""
        count = len(self.items)
        positions = range(step * self.batch_size, (step + 1) * self.batch_size)
        return [int(epoch_permutation(count, self.seed, position // count)[position % count]) for position in positions]


@lru_cache(maxsize=2)
def epoch_permutation(count: int, seed: int, epoch: int) -> Tensor:
    """Draws the permutation of one epoch, (count,)."""
    return torch.randperm(count, generator=make_generator(seed, epoch))


def make_generator(seed: int, number: int) -> torch.Generator:
    """Makes a random generator for one step or epoch."""
    return torch.Generator().manual_seed(seed * 1_000_003 + number)


class PrefetchLoader:
    """Makes the samples of a step on the device, this process's shard of them; they depend on the step and the task's stage.

    Beside a GPU a thread prefetches the next step's samples; on a CPU it would only take time from the step.
    """

    def __init__(self, sampler: EpochSampler, task: TrainingTask, device: torch.device, distributed: Distributed) -> None:
        self.sampler = sampler
        self.task = task
        self.device = device
        self.distributed = distributed
        self.pool = ThreadPoolExecutor(1) if device.type != "cpu" else None
        self.prefetched: tuple[tuple[int, int], Future[Samples]] | None = None  # and its step and stage
        sampler.items = to_device_if_fits(sampler.items, device)

    def __call__(self, step: int, stage: int = 0) -> Samples:
        if self.pool is None:
            return self.make_samples(step, stage)
        if self.prefetched and self.prefetched[0] == (step, stage):
            current = self.prefetched[1]
        else:  # the first step of all, or of a stage
            current = self.pool.submit(self.make_samples, step, stage)
        self.prefetched = (step + 1, stage), self.pool.submit(self.make_samples, step + 1, stage)
        return current.result()

    def make_samples(self, step: int, stage: int) -> Samples:
        """Makes the whole batch and then takes a shard, so that it is the same whatever the number of processes."""
        items, random = self.sampler(step)
        samples = self.task.make_samples(items.to(self.device), random, stage)
        return samples.shard(self.distributed.rank, self.distributed.world_size)


def to_device_if_fits(items: TrainingSet, device: torch.device) -> TrainingSet:
    """Moves a training set to the GPU where it fits."""
    if device.type != "cuda" or items.nbytes > MEMORY_SHARE * torch.cuda.mem_get_info(device)[0]:
        return items
    return items.to(device)
