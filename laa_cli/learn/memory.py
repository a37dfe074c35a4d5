"""Memory between steps on a CPU."""

from __future__ import annotations

import ctypes

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
