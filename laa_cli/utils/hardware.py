"""Hardware: the choice of a device, facts of the machine, FLOPs, the matrix-product rate, peak memory, glibc's allocator."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor

from .. import __version__
from ..errors import UsageError
from .precision import BFLOAT16, FLOAT32
from .timing import Clock, Timing, summarize, time_rounds

PRECISIONS = {FLOAT32: torch.float32, BFLOAT16: torch.bfloat16}
LIMIT = "matrix product"  # how timings of it begin
MATRIX_SIZES = (512, 8192)  # the smallest and the largest square matrix that is tried
FULL_RATE_MS = 50  # a product that takes this long runs at the device's full rate
RATE_SECONDS = 0.5  # for `matrix_rate`
PROC = Path("/proc/self")
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # parameters of glibc's mallopt
INT_MAX = 2**31 - 1


# Devices and the machine


class MachineInfo(TypedDict):
    """The machine that figures come from. `load`: load average of the minute before; None where there is none (Windows)."""

    date: str
    laa: str
    torch: str
    python: str
    spandrel: str | None
    system: str
    cpu: str
    cores: int | None
    threads: int
    gpus: list[str]
    load: float | None


def choose_device(name: str = "auto") -> torch.device:
    """Returns the device "auto", "cpu", "cuda" (or "cuda:1") or "mps"; UsageError where there is none of that name."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"unknown device {name!r}: use auto, cpu, cuda or mps") from None
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(device.type, False):
        # "device" alone would be the first one in the message, which is no option's name.
        raise UsageError(f"this machine has no device {name!r}: use device cpu, or leave it out", "device cpu")
    return device


def list_devices() -> list[torch.device]:
    """Lists every device that torch can compute on here, the CPU first."""
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [torch.device(name) for name in ("cpu", *gpus, *(["mps"] if torch.backends.mps.is_available() else []))]


def machine_info() -> MachineInfo:
    """Collects versions, processors and how busy they are."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "laa": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "spandrel": installed_version("spandrel"),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def machine_line(machine: MachineInfo) -> str:
    """Formats the machine for the foot of a table."""
    processors = ", ".join([f"{machine['cpu']}, {machine['threads']} threads", *machine["gpus"]])
    load = f", load {machine['load']:.1f} before the run" if machine.get("load") is not None else ""
    return f"{processors}; torch {machine['torch']}, laa {machine['laa']}, {machine['date']}{load}"


def installed_version(package: str) -> str | None:
    """Returns a package's version; None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def cpu_name() -> str:
    """Returns the processor's model name as the system has it."""
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        match = None
    return match[1] if match else platform.processor() or platform.machine()


# FLOPs and how many a second are possible


def count_flops(function: Callable[..., object], *inputs: Tensor) -> int:
    """Counts the floating-point operations (FLOPs) of one call of a function or module, which may be on the meta device.

    torch's counter knows matrix products, convolutions and attention; a multiplication and its addition are two.
    """
    from torch.utils.flop_counter import FlopCounterMode  # here, because it is slow

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        function(*inputs)
    return counter.get_total_flops()


def time_matrix_product(
    device: torch.device, precision: str, seconds: float, size: int | None = None, clock: Clock = time.perf_counter
) -> Timing:
    """Times the product of two square matrices: the rate that any network here can hope for.

    `size`: their side; by default the smallest power of two that brings the device to its full rate.
    """
    size = size or full_rate_size(device, precision)
    times_ms = time_rounds(matrix_product(size, device, precision), device, seconds, clock)
    return summarize(f"{LIMIT} {size}", str(device), precision, 1, times_ms, gflops=2 * size**3 / 1e9)


def matrix_rate(device: torch.device, size: int | None = None, clock: Clock = time.perf_counter) -> float:
    """Measures the rate of bfloat16 matrix products, in FLOP/s of the fastest round.

    It is the denominator of a training run's model FLOPs utilisation (MFU).
    """
    return time_matrix_product(device, "bfloat16", RATE_SECONDS, size, clock).best_flops_per_s


def full_rate_size(device: torch.device, precision: str) -> int:
    """Doubles the side of a square matrix until a product takes long enough, or the largest side is reached."""
    size, largest = MATRIX_SIZES
    while size < largest and min(time_rounds(matrix_product(size, device, precision), device, 0)) < FULL_RATE_MS:
        size *= 2
    return size


def matrix_product(size: int, device: torch.device, precision: str) -> Callable[[], object]:
    """Returns a function that multiplies two random matrices (size, size); torch's global random state is left alone."""
    random = torch.Generator(device).manual_seed(0)
    a, b = torch.randn(2, size, size, generator=random, device=device, dtype=PRECISIONS[precision])
    return lambda: torch.mm(a, b)


# Memory


class PeakMemory(TypedDict):
    """Peak resident memory of the process, and on CUDA what tensors took there, in MB (10^6 bytes); None where unknown."""

    memory_mb: float | None
    gpu_memory_mb: float | None


def reset_peak_memory(device: torch.device) -> None:
    """Starts a new measurement of peak memory; where the system cannot, the peak is the process's so far."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    try:
        (PROC / "clear_refs").write_text("5")  # Linux: resets VmHWM
    except OSError:
        return


def peak_memory(device: torch.device) -> PeakMemory:
    """Reads the peak memory since `reset_peak_memory`."""
    resident = peak_rss_bytes()
    gpu = torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else None
    return {"memory_mb": resident / 1e6 if resident is not None else None, "gpu_memory_mb": gpu}


def peak_rss_bytes(*, children: bool = False) -> int | None:
    """Reads the peak resident set size (RSS) of this process, or of its largest ended child; None on Windows.

    Linux: VmHWM, since getrusage's ru_maxrss begins with the memory of the process that started this one.
    """
    if not children:
        try:
            match = re.search(r"^VmHWM:\s*(\d+) kB", (PROC / "status").read_text(), re.MULTILINE)
            if match:
                return int(match[1]) * 1024
        except OSError:
            pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF).ru_maxrss * unit


def keep_freed_memory() -> bool:
    """Has glibc's malloc keep freed memory for the next training step; False where there is another C library.

    By default it gives large blocks back to the system, which clears them before the next step gets them: a fifth of the time
    of a full-width step on one core.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    # One heap for all threads: those of threads hold blocks of up to 64 MiB only, and are given back whole.
    return all(mallopt(*choice) for choice in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, INT_MAX), (M_ARENA_MAX, 1)))
