"""Which processor to run on."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from models.laa.config import LAAConfig
from models.laa.network import LAATransformer

from .. import __version__
from ..errors import Exit, LaaError
from .timing import Timing, summarize, time_rounds


def choose_device(name: str = "auto") -> torch.device:
    """ "auto", "cpu", "cuda" (or "cuda:1") or "mps" -> a device that is really there; LaaError otherwise."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise LaaError(f"unknown device {name!r}: use auto, cpu, cuda or mps", Exit.USAGE) from None
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device.type, False):
        raise LaaError(f"this machine has no device {name!r}: use --device cpu, or leave it out", Exit.USAGE)
    return device


# The machine that figures come from: what it is, what it can do at most, and how much memory was used.


PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
LONG_ENOUGH_MS = 50  # a product that takes this long shows what the machine can do
LIMIT = "matrix product"
PROC = Path("/proc/self")


def devices() -> list[torch.device]:
    """Everything that torch can compute on here, the CPU first."""
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [torch.device(name) for name in ("cpu", *gpus, *(["mps"] if torch.backends.mps.is_available() else []))]


def machine_info() -> dict[str, Any]:
    """Versions, processors and how busy they are."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "laa": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "spandrel": version_of("spandrel"),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,  # of the minute before
    }


def machine_line(machine: dict[str, Any]) -> str:
    """What `description` says, for a table's foot."""
    processors = ", ".join([f"{machine['cpu']}, {machine['threads']} threads", *machine["gpus"]])
    load = f", load {machine['load']:.1f} before the run" if machine.get("load") is not None else ""
    return f"{processors}; torch {machine['torch']}, laa {machine['laa']}, {machine['date']}{load}"


def version_of(package: str) -> str | None:
    """None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def cpu_name() -> str:
    """As the system calls it."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def time_matrix_product(device: torch.device, precision: str, seconds: float) -> Timing:
    """The fastest square matrix product of a size that fills the machine: what any network here can hope for."""
    size, work = 512, matrix_product(512, device, precision)
    while size < 8192 and min(time_rounds(work, device, 0)) < LONG_ENOUGH_MS:
        size *= 2
        work = matrix_product(size, device, precision)
    spent = time_rounds(work, device, seconds)
    return summarize(f"{LIMIT} {size}", str(device), precision, 1, spent, gflops=2 * size**3 / 1e9)


def matrix_product(size: int, device: torch.device, precision: str) -> Callable[[], object]:
    """A matrix product to repeat."""
    a, b = torch.randn(2, size, size, device=device, dtype=PRECISIONS[precision])
    return lambda: torch.mm(a, b)


def reset_peak_memory(device: torch.device) -> None:
    """Starts a new measurement of peak memory; where the system cannot, the peak is the process's so far."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    try:
        (PROC / "clear_refs").write_text("5")  # Linux: resets VmHWM
    except OSError:
        return


def peak_memory_mb(device: torch.device) -> dict[str, float | None]:
    """Peak resident memory of the process, and on CUDA what tensors took there, in MB (10^6 bytes)."""
    gpu = torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else None
    return {"memory_mb": resident_peak_mb(), "gpu_memory_mb": gpu}


def resident_peak_mb() -> float | None:
    """Linux: VmHWM, since getrusage's ru_maxrss begins with the memory of the process that started this one."""
    try:
        found = re.search(r"^VmHWM:\s*(\d+) kB", (PROC / "status").read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024 / 1e6
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


# How fast a run could be: the time that its matrix products alone would take, at the rate that the device was measured at.


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


# Memory between steps on a CPU.


M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # of glibc's mallopt
MOST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Has glibc keep freed memory for the next step; False where there is another C library.

    By default it gives large blocks back to the system, which clears them before the next step gets them: a fifth of the time
    of a full-width step on one core.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    # One heap for all threads: those of threads hold blocks of up to 64 MiB only, and are given back whole.
    return all(mallopt(*choice) for choice in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, MOST), (M_ARENA_MAX, 1)))
