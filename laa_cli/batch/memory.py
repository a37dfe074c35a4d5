"""A budget of memory that the photos under way share."""

from __future__ import annotations

import os
import re
import threading

from ..errors import Exit, LaaError

UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
# Measured peaks over what the models take: bytes for each pixel of the photo (detection) and of the enlargement, 8 bits, RGB
DETECTION_BYTES, ENLARGEMENT_BYTES = 60, 10


def parse_size(text: str | None) -> int:
    """Bytes of "4G", "500M" and the like; half of the machine's memory where nothing is said. LaaError (usage)."""
    if text is None:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    number = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    size = int(float(number[1]) * (1 << UNITS[number[2].upper()])) if number else 0
    if size < 1:
        raise LaaError(f"--memory must be a size such as 4G or 500M, not {text}", Exit.USAGE)
    return size


def estimate_bytes(pixels: int, scale: int, file_bytes: int) -> int:
    """Most bytes that a photo of so many pixels takes on its way."""
    return file_bytes + pixels * (DETECTION_BYTES + ENLARGEMENT_BYTES * scale**2)


class MemoryBudget:
    """Shares of `total` bytes. What is larger than all of it may run alone."""

    def __init__(self, total: int) -> None:
        self.total, self.taken = total, 0
        self.changed = threading.Condition()

    def acquire(self, size: int) -> None:
        """Waits until there is room. For one thread only: with several, a large photo could wait for ever."""
        with self.changed:
            self.changed.wait_for(lambda: self.taken == 0 or self.taken + size <= self.total)
            self.taken += size

    def release(self, size: int) -> None:
        """Makes room again."""
        with self.changed:
            self.taken -= size
            self.changed.notify_all()
