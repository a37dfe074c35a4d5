"""A step's faces shared among threads: on a CPU a network that stays on one core wastes less of it than one spread over all."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from .degrade import Samples
from .world import World


class Shards:
    """Gradients of a batch, whose parts are worked on side by side. `cores`: how many there are for all of them."""

    def __init__(self, batch_size: int, cores: int) -> None:
        self.count = next(count for count in range(min(batch_size, cores), 0, -1) if batch_size % count == 0)
        each = cores // self.count
        self.pool = ThreadPoolExecutor(self.count, initializer=lambda: torch.set_num_threads(each))

    def backward(self, loss_of: Callable[[Samples], Tensor], samples: Samples, parameters: list[Tensor]) -> Tensor:
        """Sets the parameters' gradients of `loss_of`, which is a mean over faces, and returns it.

        The parts are added in their order, whichever is ready first, so that a repeated step gives exactly the same.
        """

        def gradients(part: Samples) -> tuple[Tensor, tuple[Tensor, ...]]:
            loss = loss_of(part) / self.count
            return loss.detach(), torch.autograd.grad(loss, parameters)

        parts = [World(number, self.count).share(samples) for number in range(self.count)]
        losses, shares = zip(*self.pool.map(gradients, parts), strict=True)
        for parameter, (first, *others) in zip(parameters, zip(*shares, strict=True), strict=True):
            parameter.grad = torch.empty_like(parameter).copy_(first)  # in the parameter's own memory order
            for other in others:
                parameter.grad += other
        return torch.stack(losses).sum()
