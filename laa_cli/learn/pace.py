"""How fast a run could be: the time that its matrix products alone would take, at the rate that the device was measured at."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from models.config import LAAConfig
from models.network import LAATransformer

SIDE = {"cpu": 2048, "cuda": 8192}  # of the square matrices whose product is timed: large enough for the device's full rate
BACKWARD = 2  # times the work of the way forward: a gradient for the weights and one for what they are applied to


def training_flops_per_face(config: LAAConfig) -> int:
    """Floating-point operations of the matrix products and convolutions that one face takes, forward and back."""
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        LAATransformer(config)(torch.empty(1, 3, config.image_size, config.image_size))
    return (1 + BACKWARD) * counter.get_total_flops()


def matrix_rate(device: torch.device, side: int | None = None, clock: Callable[[], float] = time.perf_counter) -> float:
    """Floating-point operations a second of bfloat16 matrix products; the best of several."""
    side = side or SIDE.get(device.type, 4096)
    one, other = (torch.rand(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    times = []
    for _ in range(6):
        wait_for(one, device)
        start = clock()
        wait_for(one @ other, device)
        times.append(clock() - start)
    return 2 * side**3 / min(times[1:])


def wait_for(result: torch.Tensor, device: torch.device) -> None:
    """Waits for a result."""
    if device.type != "cpu":
        result[0, 0].item()
