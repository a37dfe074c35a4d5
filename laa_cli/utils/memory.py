"""Memory that is free: of the machine, and of the control group (cgroup) that a container or a service is held in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")
# Of version 2 and 1: the folder of groups, and the files with the limit, the use, and what of it can be given up at once.
GROUPS = (
    ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def available_bytes(root: Path = ROOT) -> int | None:
    """Estimates the memory that a process can still take without swapping; None where the system does not tell (Windows).

    Linux: what is available, swap space included, within the limits of the process's control groups. Elsewhere, where the
    system makes room by itself: all of the machine's memory.
    """
    machine = read_field(root / "proc/meminfo", "MemAvailable")
    if machine is not None:
        swap = read_field(root / "proc/meminfo", "SwapFree") or 0
        return max(0, min([(machine + swap) * 1024, *group_headrooms(root)]))
    names = getattr(os, "sysconf_names", {})
    if {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= names.keys():
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def group_headrooms(root: Path) -> Iterator[int]:
    """Yields what each control group around this process has left, bytes."""
    paths = {
        line.split(":", 2)[2].strip().strip("/") for line in read_text(root / "proc/self/cgroup").splitlines() if ":" in line
    }
    for folder, limit_name, use_name, cache_name in GROUPS:
        for path in paths | {""}:
            for group in (root / folder / path, *(root / folder / path).parents):
                limit, use = read_text(group / limit_name).strip(), read_text(group / use_name).strip()
                if limit.isdigit() and use.isdigit():
                    yield int(limit) - int(use) + (read_field(group / "memory.stat", cache_name) or 0)


def read_field(path: Path, name: str) -> int | None:
    """Reads a number from a file with a name and a number a line; None where there is none."""
    match = re.search(rf"^{name}:?\s+(\d+)", read_text(path), re.MULTILINE)
    return int(match[1]) if match else None


def read_text(path: Path) -> str:
    """Reads a file of the system's; empty where there is none."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
