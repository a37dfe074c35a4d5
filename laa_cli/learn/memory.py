"""Memory between steps on a CPU."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's mallopt
MOST = 2**31 - 1


def keep_memory() -> bool:
    """Has glibc keep freed memory for the next step; False where there is another C library.

    By default it gives large blocks back to the system, which clears them before the next step gets them: a fifth of the time
    of a full-width step on one core.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, MOST))
