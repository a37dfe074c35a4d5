"""A step's faces shared among threads: on a CPU a network that stays on one core wastes less of it than one spread over all."""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn

from .degrade import Samples
from .world import Distributed

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
