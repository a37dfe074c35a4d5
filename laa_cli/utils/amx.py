"""AMX, the matrix unit of Intel's CPUs, on virtual machines that offer it without describing it.

oneDNN, which multiplies for torch and OpenVINO, shapes AMX's tiles by CPUID's leaf 1DH (Intel SDM, volume 2A). Some hypervisors
leave that empty: the first product in bfloat16 then ends the process by SIGILL. Needs no torch.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import sys
from typing import NamedTuple

FEATURES, TILES = 0x07, 0x1D  # leaves of CPUID
AMX_TILE = 1 << 24  # of the features' EDX
# A C function of a leaf and where its registers go: push rbx; mov eax, edi; xor ecx, ecx; cpuid; mov [rsi], eax;
# mov [rsi + 4], ebx; mov [rsi + 8], ecx; mov [rsi + 12], edx; pop rbx; ret
CODE = bytes.fromhex("53 89f8 31c9 0fa2 8906 895e04 894e08 89560c 5b c3")
LIMIT = "ONEDNN_MAX_CPU_ISA"  # oneDNN reads it before its first product
WITHOUT_AMX = "AVX512_CORE_FP16"  # the most that a CPU with AMX has beside it


class Registers(NamedTuple):
    """What CPUID returns."""

    eax: int
    ebx: int
    ecx: int
    edx: int


def avoid_undescribed_amx() -> None:
    """Keeps oneDNN, here and in child processes, from AMX where CPUID lists no tiles; a limit that is set already stays."""
    if is_amx_undescribed():
        os.environ.setdefault(LIMIT, WITHOUT_AMX)


def is_amx_undescribed() -> bool:
    """Tells whether the CPU is said to have AMX, and none of the palettes that divide its memory into tiles."""
    features = cpuid(FEATURES)
    if features is None or not features.edx & AMX_TILE:
        return False
    tiles = cpuid(TILES)
    return tiles is None or tiles.eax == 0  # EAX: the number of palettes


def cpuid(leaf: int) -> Registers | None:
    """Asks the CPU; None where it has no such leaf, is no x86-64 on Linux, or the system lets no code be made."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return None
    try:
        code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        return None
    code.write(CODE)
    function = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_void_p)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    registers = (ctypes.c_uint32 * 4)()
    function(0, registers)
    if registers[0] < leaf:  # the highest leaf
        return None
    function(leaf, registers)
    return Registers(*registers)
