"""Devices, FLOPs and peak memory."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fakes import ROOT

from laa_cli.errors import UsageError
from laa_cli.utils import hardware
from laa_cli.utils.hardware import choose_device, keep_freed_memory, matrix_rate, peak_rss_bytes, reset_peak_memory

CPU = torch.device("cpu")


def test_a_missing_device_is_an_error_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match=r"^this machine has no device 'cuda': use device cpu, or leave it out$") as error:
        choose_device("cuda")
    assert error.value.for_command_line() == "this machine has no device 'cuda': use --device cpu, or leave it out"
    with pytest.raises(UsageError, match=r"^unknown device 'abacus': use auto, cpu, cuda or mps$"):
        choose_device("abacus")


MEASURED = """
import torch
from laa_cli.utils.hardware import peak_rss_bytes, reset_peak_memory
small = torch.ones(50_000_000)
del small
reset_peak_memory(torch.device("cpu"))
before = peak_rss_bytes()
block = torch.ones(50_000_000)
during = peak_rss_bytes()
del block
print(before, during, peak_rss_bytes())
"""


def test_peak_memory_shows_an_array_of_200_mb() -> None:
    """And one that was freed before the measurement does not show. In a process of its own: training keeps freed memory."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pytest.skip("this system cannot reset the peak")
    result = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, cwd=ROOT, check=True)
    before, during, after = map(int, result.stdout.split())
    assert 190e6 < during - before < 230e6
    assert after == pytest.approx(during, abs=5e6)


def test_peak_memory_without_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "PROC", tmp_path / "missing")
    reset_peak_memory(CPU)  # does no harm where there is nothing to reset
    elsewhere = peak_rss_bytes()
    assert elsewhere is not None
    assert 150e6 < elsewhere < 100_000e6  # bytes, not KB or MB
    monkeypatch.setitem(sys.modules, "resource", None)
    assert peak_rss_bytes() is None


def test_the_matrix_rate_is_that_of_the_fastest_product() -> None:
    ticks = iter([10.0, 14.0, 20.0, 22.0, 30.0, 34.0])  # the warm-up is not timed
    assert matrix_rate(CPU, 8, lambda: next(ticks)) == 2 * 8**3 / 2.0


def test_memory_is_kept_where_glibc_is() -> None:
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")
