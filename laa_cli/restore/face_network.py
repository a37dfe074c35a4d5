"""The face network as it runs: in torch, on a CPU in a form of its own, or in OpenVINO."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from models.laa.fast_network import FastLAA, is_supported
from models.laa.network import LAATransformer
from models.worker_pool import one_thread_workers

from ..utils.precision import BFLOAT16
from .runtime import Runtime

Output = TypeVar("Output")
Network = Callable[[Tensor], Tensor]  # (n, 3, 128, 128) in [0, 1] -> the same shape


def build_face_network(network: LAATransformer, runtime: Runtime) -> Network:
    """Builds what runs a network, in evaluation mode: (n, 3, 128, 128) on `runtime.device` -> the same, float32."""
    if runtime.openvino is not None:
        from .openvino_network import OpenVINONetwork  # here, for it is an extra

        return OpenVINONetwork.build(network, runtime)
    if runtime.device.type == "cpu" and is_supported(network.config):
        return one_by_one(FastLAA(network, torch.bfloat16 if runtime.precision == BFLOAT16 else torch.float32))
    network = network.to(runtime.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    inner = in_precision(network, runtime)
    run = lambda inputs: inner(inputs).float()  # noqa: E731
    return one_by_one(run) if runtime.device.type == "cpu" else run


def in_precision(network: Callable[[Tensor], Output], runtime: Runtime) -> Callable[[Tensor], Output]:
    """Returns a network, whatever it returns, whose products are of the runtime's precision, by autocast."""

    def run(inputs: Tensor) -> Output:
        with torch.autocast(runtime.device.type, torch.bfloat16, enabled=runtime.precision == BFLOAT16):
            return network(inputs)

    return run


def one_by_one(network: Network) -> Network:
    """Returns a network that takes a batch's faces one by one, for a CPU, whose cache holds the feature maps of one.

    As many faces as there are threads are computed side by side, each by one thread, which wait for nobody; a few that are left
    over by all threads, one after the other.
    """

    def run(inputs: Tensor) -> Tensor:
        threads = torch.get_num_threads()
        left_over = len(inputs) % threads if 2 * (len(inputs) % threads) <= threads else 0
        first, last = inputs.split([len(inputs) - left_over, left_over])
        outputs: list[Tensor] = []
        if len(first):
            with one_thread_workers(min(threads, len(first))) as workers:
                outputs += workers.map(network, first.split(1))
        return torch.cat([*outputs, *map(network, last.split(1) if left_over else ())])

    return run
