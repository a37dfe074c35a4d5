"""Several processes on one run, as torchrun starts them: each works on its share of every batch."""

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

import torch
from torch import Tensor, distributed, nn

from ..errors import Exit, LaaError
from .tasks import Samples

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


# A step's faces shared among threads: on a CPU a network that stays on one core wastes less of it than one spread over all.


Loss = Callable[[nn.Module, Samples], Tensor]  # a mean over the samples
PRODUCTS = nn.Linear | nn.Conv2d | nn.ConvTranspose2d  # what autocast computes in bfloat16


class ThreadedDataParallel:
    """Gradients of a network on a batch, whose parts are worked on side by side. `cores`: how many there are for all of them.

    The threads work with a copy of the network that is in `dtype` where autocast would cast the weights for each of them.
    """

    def __init__(self, network: nn.Module, batch_size: int, cores: int, dtype: torch.dtype = torch.bfloat16) -> None:
        self.count = next(count for count in range(min(batch_size, cores), 0, -1) if batch_size % count == 0)
        each = cores // self.count
        self.pool = ThreadPoolExecutor(self.count, initializer=lambda: torch.set_num_threads(each))
        working = copy.deepcopy(network)
        for module in working.modules():
            if isinstance(module, PRODUCTS):
                module.to(dtype)
        self.working = working
        self.parameters, self.copies = (list[Tensor](part.parameters()) for part in (network, working))

    def backward(self, loss_of: Loss, samples: Samples) -> Tensor:
        """Sets the gradients of the network's parameters, and returns the loss.

        The parts are added in their order, whichever is ready first, so that a repeated step gives exactly the same.
        """
        with torch.no_grad():
            torch._foreach_copy_(self.copies, self.parameters)

        def gradients(part: Samples) -> tuple[Tensor, tuple[Tensor, ...]]:
            loss = loss_of(self.working, part) / self.count
            return loss.detach(), torch.autograd.grad(loss, self.copies)

        parts = [Distributed(number, self.count).shard(samples) for number in range(self.count)]
        losses, shares = zip(*self.pool.map(gradients, parts), strict=True)
        for parameter, (first, *others) in zip(self.parameters, zip(*shares, strict=True), strict=True):
            parameter.grad = torch.empty_like(parameter).copy_(first)  # in the parameter's own memory order
            for other in others:
                parameter.grad += other
        return torch.stack(losses).sum()
