"""AMX, the matrix unit of Intel's CPUs, on virtual machines that offer it without describing it.

oneDNN, which multiplies for torch and OpenVINO, shapes AMX's tiles by CPUID's leaf 1DH (Intel SDM, volume 2A). Some hypervisors
leave that empty: the first product in bfloat16 then ends the process by SIGILL.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform

import torch

TILE_LEAF = 0x1D  # of CPUID; its EAX is the number of palettes, the ways to divide AMX's memory into tiles
# mov eax, edi; push rbx; xor ecx, ecx; cpuid; pop rbx; ret: a C function of the leaf that returns EAX, on Unix
CPUID = bytes.fromhex("89f8 53 31c9 0fa2 5b c3")
LIMIT = "ONEDNN_MAX_CPU_ISA"  # oneDNN reads it before its first product
WITHOUT_AMX = "AVX512_CORE_FP16"  # the most that a CPU with AMX has beside it


def avoid_undescribed_amx() -> None:
    """Keeps oneDNN, here and in child processes, from AMX where CPUID lists no tiles; a limit that is set already stays."""
    if torch.cpu._is_amx_tile_supported() and count_palettes() == 0:
        os.environ.setdefault(LIMIT, WITHOUT_AMX)


def count_palettes() -> int | None:
    """Asks the CPU for the number of AMX's palettes; None where it is no x86-64 on Unix, or code may not be made."""
    if os.name != "posix" or platform.machine() not in ("x86_64", "amd64"):
        return None
    try:
        code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:  # a system where memory is either written or run
        return None
    code.write(CPUID)
    function = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_uint32)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    return int(function(TILE_LEAF))
