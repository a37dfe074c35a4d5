"""AMX that a virtual machine offers without describing it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import ROOT

from laa_cli.utils import amx

PRODUCT = """
import torch
from laa_cli.utils.hardware import choose_device
choose_device("cpu")
ones = torch.ones(256, 256, dtype=torch.bfloat16)
print((ones @ ones).sum().item())
"""


@pytest.mark.parametrize(
    ("offered", "palettes", "given", "limit"),
    [
        (True, 0, None, amx.WITHOUT_AMX),
        (True, 0, "AVX2", "AVX2"),
        (True, 1, None, None),
        (True, None, None, None),
        (False, 0, None, None),
    ],
)
def test_only_amx_without_tiles_is_avoided(
    monkeypatch: pytest.MonkeyPatch, offered: bool, palettes: int | None, given: str | None, limit: str | None
) -> None:
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: offered)
    monkeypatch.setattr(amx, "count_palettes", lambda: palettes)
    monkeypatch.setenv(amx.LIMIT, given or "")
    if given is None:
        monkeypatch.delenv(amx.LIMIT)
    amx.avoid_undescribed_amx()
    assert os.environ.get(amx.LIMIT) == limit


def test_a_product_in_bfloat16_ends_well_on_this_machine() -> None:
    environment = {name: value for name, value in os.environ.items() if name != amx.LIMIT}
    command = [sys.executable, "-c", PRODUCT]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, float(ended.stdout or 0)) == (0, 256.0**3)


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists() or platform.machine() != "x86_64", reason="no x86-64 on Linux")
def test_the_cpu_is_asked() -> None:
    """Linux lists a leaf that the CPU does not have as empty; those with AMX have one palette so far."""
    palettes = amx.count_palettes()
    assert palettes is not None
    if "amx_tile" in Path("/proc/cpuinfo").read_text():
        assert palettes in (0, 1)
    assert palettes == amx.count_palettes()


def test_where_code_may_not_be_made_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise PermissionError("write or run")

    monkeypatch.setattr("mmap.mmap", refuse)
    assert amx.count_palettes() is None
