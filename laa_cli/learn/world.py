"""Several processes on one run, as torchrun starts them: each works on its share of every batch."""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed

from ..errors import Exit, LaaError
from .degrade import Samples

TIMEOUT = timedelta(hours=3)  # that the others wait while the first validates and writes


@dataclass(frozen=True)
class Distributed:
    """Which of how many processes this is. The first prints and writes."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    def check_batch_size(self, batch_size: int) -> None:
        """Refuses a batch that cannot be shared evenly, whose mean would not be the mean of its shares."""
        if batch_size % self.size:
            raise LaaError(
                f"--batch-size {batch_size} cannot be shared by {self.size} processes: choose a multiple", Exit.USAGE
            )

    def shard(self, samples: Samples) -> Samples:
        """This process's part of a batch."""
        if self.size == 1:
            return samples
        count = len(samples.truth) // self.size
        mine = slice(self.rank * count, (self.rank + 1) * count)
        return Samples(samples.truth[mine], samples.crops[mine], samples.back_projected[mine])

    def all_reduce_sum(self, *values: float) -> list[float]:
        """Sums over all processes. They travel by the CPU, so that no GPU has to wait."""
        if self.size == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(sums)
        return sums.tolist()

    def device_name(self, name: str) -> str:
        """A GPU of its own for each process, where GPUs are meant."""
        if self.size == 1 or name not in ("auto", "cuda") or not torch.cuda.is_available():
            return name
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"


@contextmanager
def process_group() -> Iterator[Distributed]:
    """The processes that torchrun started, or this one alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Distributed()
        return
    # A 1x1 kernel's strides mean nothing, but DDP compares them.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=TIMEOUT)
    try:
        world = Distributed(distributed.get_rank(), distributed.get_world_size())
        yield world
        world.all_reduce_sum(0)  # nobody leaves while another is at work
    finally:
        gc.collect()  # DDP's cycles hold the group, whose threads must end before the interpreter does
        distributed.destroy_process_group()
