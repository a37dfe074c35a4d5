"""AMX that a virtual machine offers without describing it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import ROOT

from laa_cli.utils import amx

PRODUCT = """
import torch
from laa_cli.restore.runtime import choose_runtime
choose_runtime("cpu")
ones = torch.ones(256, 256, dtype=torch.bfloat16)
print((ones @ ones).sum().item())
"""
OFFERED, OTHERS = amx.Registers(2, 0, 0, amx.AMX_TILE | 1), amx.Registers(2, 0, 0, 1)
NO_TILES, ONE_PALETTE = amx.Registers(0, 0, 0, 0), amx.Registers(1, 0, 0, 0)


@pytest.mark.parametrize(
    ("features", "tiles", "given", "limit"),
    [
        (OFFERED, NO_TILES, None, amx.WITHOUT_AMX),
        (OFFERED, None, None, amx.WITHOUT_AMX),
        (OFFERED, NO_TILES, "AVX2", "AVX2"),
        (OFFERED, ONE_PALETTE, None, None),
        (OTHERS, NO_TILES, None, None),
        (None, None, None, None),
    ],
)
def test_only_amx_without_tiles_is_avoided(
    monkeypatch: pytest.MonkeyPatch, features: amx.Registers | None, tiles: amx.Registers | None, given: str | None, limit: str
) -> None:
    monkeypatch.setattr(amx, "cpuid", {amx.FEATURES: features, amx.TILES: tiles}.get)
    monkeypatch.setenv(amx.LIMIT, given or "")
    if given is None:
        monkeypatch.delenv(amx.LIMIT)
    amx.avoid_undescribed_amx()
    assert os.environ.get(amx.LIMIT) == limit


def test_products_in_bfloat16_end_well_on_this_machine() -> None:
    environment = {name: value for name, value in os.environ.items() if name != amx.LIMIT}
    command = [sys.executable, "-c", PRODUCT]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, float(ended.stdout or 0)) == (0, 256.0**3)


@pytest.mark.skipif(amx.cpuid(0) is None, reason="no x86-64 on Linux")
def test_the_cpu_answers_as_it_answers_the_system() -> None:
    flags = Path("/proc/cpuinfo").read_text()
    features = amx.cpuid(amx.FEATURES)
    assert features is not None
    for name, bit in (("avx2", 1 << 5), ("bmi2", 1 << 8), ("avx512f", 1 << 16)):
        assert bool(features.ebx & bit) == (f" {name} " in flags), name
    vendor = amx.cpuid(0)
    assert vendor is not None
    assert b"".join(part.to_bytes(4, "little") for part in (vendor.ebx, vendor.edx, vendor.ecx)).decode() in flags
    assert amx.cpuid(0x7FFFFFFF) is None


def test_where_code_may_not_be_made_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise PermissionError("write or run")

    monkeypatch.setattr("mmap.mmap", refuse)
    assert amx.cpuid(0) is None
    assert not amx.is_amx_undescribed()
