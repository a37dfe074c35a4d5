"""The memory that is free: of the machine and within control groups, from made-up system files."""

from __future__ import annotations

from pathlib import Path

import pytest

from laa_cli.utils import memory
from laa_cli.utils.memory import available_bytes

MEMINFO = "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:   12000000 kB\nSwapFree:        {swap} kB\n"


def system(root: Path, files: dict[str, str], *, swap: int = 0) -> Path:
    for name, text in ({"proc/meminfo": MEMINFO.format(swap=swap)} | files).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_what_is_available_counts_with_swap_space(tmp_path: Path) -> None:
    assert available_bytes(system(tmp_path, {})) == 12_000_000 * 1024
    assert available_bytes(system(tmp_path, {}, swap=500)) == 12_000_500 * 1024


def test_a_group_of_version_2_limits_it_and_its_parents_too(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/user/laa.service\n",
        "sys/fs/cgroup/user/memory.max": "5000000000\n",
        "sys/fs/cgroup/user/memory.current": "3000000000\n",
        "sys/fs/cgroup/user/memory.stat": "anon 2500000000\nfile 500000000\ninactive_file 400000000\n",
        "sys/fs/cgroup/user/laa.service/memory.max": "max\n",
        "sys/fs/cgroup/user/laa.service/memory.current": "1000\n",
    }
    assert available_bytes(system(tmp_path, files)) == 2_400_000_000


def test_in_a_container_the_group_is_the_root(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1000\n", "sys/fs/cgroup/memory.current": "3000\n"}
    assert available_bytes(system(tmp_path, files)) == 0


def test_a_group_of_version_1_limits_it(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "11:cpu,cpuacct:/\n4:memory:/docker/abc\n",
        "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "2000000000\n",
        "sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes": "500000000\n",
        "sys/fs/cgroup/memory/docker/abc/memory.stat": "cache 7\ntotal_inactive_file 100000000\n",
    }
    assert available_bytes(system(tmp_path, files)) == 1_600_000_000


def test_elsewhere_it_is_all_of_the_machines_memory_or_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.os, "sysconf_names", {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 2}, raising=False)
    monkeypatch.setattr(memory.os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}.__getitem__, raising=False)
    assert available_bytes(tmp_path) == 4_096_000
    monkeypatch.setattr(memory.os, "sysconf_names", {}, raising=False)
    assert available_bytes(tmp_path) is None


def test_this_machine_tells() -> None:
    available = available_bytes()
    assert available is None or available > 0
