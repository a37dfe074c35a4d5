"""What a background upscaler costs per output megapixel: FLOPs, seconds and peak memory, each method in its own process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch

from ..console import Screen
from ..errors import LaaError
from ..utils.hardware import PeakMemory, choose_device, count_flops, peak_memory, reset_peak_memory
from .background_methods import Enlarge, PictureMethod
from .degradation import Levels
from .isolation import in_subprocess

OUTPUT_PX = 1536  # side of the enlarged picture that is timed
COUNT_PX = 512  # of the one whose operations are counted: they are the same for every output pixel, but near borders
SECONDS = 10.0  # for further rounds; one is made whatever it takes
MAX_ROUNDS = 5


@dataclass(frozen=True)
class PictureCost:
    """The cost per output megapixel. `memory_mb`: peak resident memory beside photo and result, and on CUDA `gpu_memory_mb`.

    None: not known, or the method failed for want of memory, which then was said.
    """

    name: str
    parameters: int | None
    gflops: float | None = None  # a multiplication and its addition are two operations
    seconds: float | None = None
    cpu_seconds: float | None = None  # of all threads together: what a busy machine changes little
    memory_mb: float | None = None
    gpu_memory_mb: float | None = None


def measure_costs(methods: list[PictureMethod], device: torch.device, screen: Screen, output_px: int) -> list[PictureCost]:
    """Measures each method in a process of its own; one that fails there is a notice, and its cost is not known."""
    costs: list[PictureCost] = []
    for method in screen.track(methods, "cost"):
        try:
            cost = in_subprocess(method.name, measure_cost, method, str(device), output_px)
            screen.say(f"measured: {cost.name}, {cost.seconds or 0:.2f} s per output megapixel")
        except LaaError as error:
            screen.notice(str(error))
            cost = PictureCost(method.name, method.parameters)
        costs.append(cost)
    return costs


def measure_cost(method: PictureMethod, device_name: str, output_px: int) -> PictureCost:
    """Measures a method on a made-up photo whose enlargement has sides of about `output_px`."""
    device = choose_device(device_name)
    enlarge = method.build(device)
    gflops = count_gflops(enlarge, method.scale)  # a warm-up, too: what every first call takes is not measured
    side_px = -(-output_px // method.scale)
    seconds, cpu_seconds, memory = run_watched(enlarge, made_up_photo(side_px), device)
    megapixels = (side_px * method.scale) ** 2 / 1e6
    peaks = (None if peak is None else peak / megapixels for peak in (memory["memory_mb"], memory["gpu_memory_mb"]))
    return PictureCost(method.name, method.parameters, gflops, seconds / megapixels, cpu_seconds / megapixels, *peaks)


def count_gflops(enlarge: Enlarge, scale: int) -> float | None:
    """Counts a method's operations in 10^9 per output megapixel, on a photo enlarged to about COUNT_PX a side; None: none.

    One thread does all, the one that the counter is on.
    """
    side_px = -(-COUNT_PX // scale)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        flops = count_flops(lambda: enlarge(made_up_photo(side_px)))
    finally:
        torch.set_num_threads(threads)
    return flops / 1e9 / ((side_px * scale) ** 2 / 1e6) if flops else None


def run_watched(enlarge: Enlarge, photo: Levels, device: torch.device) -> tuple[float, float, PeakMemory]:
    """Runs a method on a photo: the medians of the seconds and of the CPU's, and the peak memory beside photo and result."""
    reset_peak_memory(device)
    before = peak_memory(device)
    result, *first = run_timed(enlarge, photo)
    after = peak_memory(device)
    times = [first, *(run_timed(enlarge, photo)[1:] for _ in range(min(MAX_ROUNDS, int(SECONDS / first[0]))))]
    memory = difference(after["memory_mb"], before["memory_mb"], result.nbytes / 1e6)
    gpu_memory = difference(after["gpu_memory_mb"], before["gpu_memory_mb"])
    seconds, cpu_seconds = (median(column) for column in zip(*times, strict=True))
    return seconds, cpu_seconds, {"memory_mb": memory, "gpu_memory_mb": gpu_memory}


def run_timed(enlarge: Enlarge, photo: Levels) -> tuple[Levels, float, float]:
    """Enlarges a photo; the result, and the seconds it took, by the clock and of the process's CPU time."""
    start, cpu_start = time.perf_counter(), time.process_time()
    result = enlarge(photo)
    return result, time.perf_counter() - start, time.process_time() - cpu_start


def difference(after: float | None, before: float | None, of_result: float = 0) -> float | None:
    """Computes the memory taken between two readings, MB; None where the system has none."""
    return None if after is None or before is None else max(0.0, after - before - of_result)


def made_up_photo(side_px: int) -> Levels:
    """Makes a photo of noise, (side, side, 3) uint8."""
    return np.random.default_rng(0).integers(0, 256, (side_px, side_px, 3), np.uint8)
