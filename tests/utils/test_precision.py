"""Precision: bfloat16 where the device is made for it, and what was asked for everywhere."""

from __future__ import annotations

import platform

import pytest
import torch

from laa_cli.utils import precision
from laa_cli.utils.precision import choose_precision, cpu_has_bfloat16

CPU, CUDA, MPS = map(torch.device, ("cpu", "cuda", "mps"))


@pytest.mark.parametrize(("has_it", "on_a_cpu"), [(True, "bfloat16"), (False, "float32")])
def test_auto_is_bfloat16_where_there_are_instructions_for_it(
    has_it: bool, on_a_cpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: has_it)
    assert [choose_precision("auto", device) for device in (CPU, CUDA, MPS)] == [on_a_cpu, "bfloat16", "float32"]


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_what_was_asked_for_is_done_anywhere(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: False)
    assert {choose_precision(name, device) for device in (CPU, CUDA, MPS)} == {name}


@pytest.mark.parametrize(
    ("avx512", "amx", "avoided", "expected"),
    [
        (True, False, False, True),
        (False, True, False, True),
        (True, True, False, True),
        (True, True, True, False),
        (False, False, False, False),
    ],
)
def test_either_of_two_sets_of_instructions_will_do(
    avx512: bool, amx: bool, avoided: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(precision, "is_amx_undescribed", lambda: avoided)
    assert cpu_has_bfloat16() is expected
