"""Data parallelism: processes that torchrun starts, or threads on a CPU, each with its shard of every batch."""

from __future__ import annotations

import copy
import gc
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..errors import UsageError
from .training_task import Samples

TIMEOUT = timedelta(hours=3)  # that the other processes wait while the main one validates and writes
AUTOCAST_TO_BFLOAT16 = nn.Linear | nn.Conv2d | nn.ConvTranspose2d  # the modules that autocast computes in bfloat16

Loss = Callable[[nn.Module, Any], Tensor]  # a mean over the samples


@dataclass(frozen=True)
class Distributed:
    """The rank of this process and the number of processes, `world_size` as torch calls it."""

    rank: int = 0
    world_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    def check_batch_size(self, batch_size: int) -> None:
        """Raises UsageError for a batch that cannot be split evenly, whose mean would not be the mean of its shards."""
        if batch_size % self.world_size:
            message = f"batch_size {batch_size} cannot be shared by {self.world_size} processes: choose a multiple"
            raise UsageError(message, "batch_size")

    def all_reduce_sum(self, *values: float) -> list[float]:
        """Sums each value over all processes (all-reduce). They travel by the CPU, so that no GPU has to wait."""
        if self.world_size == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums)
        return sums.tolist()

    def device_name(self, name: str) -> str:
        """Gives each process a GPU of its own, where GPUs are meant."""
        if self.world_size == 1 or name not in ("auto", "cuda") or not torch.cuda.is_available():
            return name
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"


@contextmanager
def process_group() -> Iterator[Distributed]:
    """Joins the processes that torchrun started; without torchrun this process is alone."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        yield Distributed()
        return
    # A 1x1 kernel's strides mean nothing, but DDP compares them.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=TIMEOUT)
    try:
        distributed = Distributed(dist.get_rank(), dist.get_world_size())
        yield distributed
        distributed.all_reduce_sum(0)  # a barrier: no process leaves while another is at work
    finally:
        gc.collect()  # DDP's cycles hold the group, whose threads must end before the interpreter does
        dist.destroy_process_group()


class ThreadedDataParallel:
    """Computes a network's gradients on a batch whose shards are worked on by threads, `cores` in all.

    On a CPU a network that stays on one core wastes less of it than one spread over all. The threads work with a copy of
    the network that is in `dtype` where autocast would cast the weights for each of them.
    """

    def __init__(self, network: nn.Module, batch_size: int, cores: int, dtype: torch.dtype = torch.bfloat16) -> None:
        self.count = next(count for count in range(min(batch_size, cores), 0, -1) if batch_size % count == 0)
        cores_per_thread = cores // self.count
        self.pool = ThreadPoolExecutor(self.count, initializer=lambda: torch.set_num_threads(cores_per_thread))
        self.working = copy.deepcopy(network)
        for module in self.working.modules():
            if isinstance(module, AUTOCAST_TO_BFLOAT16):
                module.to(dtype)
        self.parameters = list[Tensor](network.parameters())
        self.copies = list[Tensor](self.working.parameters())

    def backward(self, loss_of: Loss, samples: Samples) -> Tensor:
        """Sets the gradients of the network's parameters, and returns the loss, ().

        Shards are added in their order, whichever is ready first, so that a repeated step gives exactly the same.
        """
        with torch.no_grad():
            torch._foreach_copy_(self.copies, self.parameters)

        def compute_gradients(shard: Samples) -> tuple[Tensor, tuple[Tensor, ...]]:
            loss = loss_of(self.working, shard) / self.count
            return loss.detach(), torch.autograd.grad(loss, self.copies)

        shards = [samples.shard(index, self.count) for index in range(self.count)]
        losses, gradients = zip(*self.pool.map(compute_gradients, shards), strict=True)
        for parameter, (first, *others) in zip(self.parameters, zip(*gradients, strict=True), strict=True):
            parameter.grad = torch.empty_like(parameter).copy_(first)  # in the parameter's own memory order
            for other in others:
                parameter.grad += other
        return torch.stack(losses).sum()
