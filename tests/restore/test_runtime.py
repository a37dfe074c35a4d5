"""The runtime by its names: devices of torch's and OpenVINO's, with and without that installed."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch
from fakes import CPU

from laa_cli.errors import UsageError
from laa_cli.restore.runtime import Runtime, choose_runtime
from laa_cli.utils import precision


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """OpenVINO with these devices."""
    names = ["CPU", "GPU.0", "GPU.1"]
    monkeypatch.setitem(sys.modules, "openvino", SimpleNamespace(Core=lambda: SimpleNamespace(available_devices=names)))
    return names


@pytest.mark.parametrize("half", [True, False])
def test_names_become_runtimes(half: bool, devices: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: half)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    on_a_cpu = "bfloat16" if half else "float32"
    assert choose_runtime() == Runtime(CPU, on_a_cpu)
    assert choose_runtime("cpu", "float32") == Runtime(CPU, "float32")
    assert choose_runtime("openvino") == choose_runtime("openvino:CPU") == Runtime(CPU, on_a_cpu, "CPU")
    assert choose_runtime("openvino:gpu") == Runtime(CPU, "float32", "GPU")
    assert choose_runtime("openvino:GPU.1", "bfloat16") == Runtime(CPU, "bfloat16", "GPU.1")


def test_a_runtime_has_a_name() -> None:
    assert Runtime(CPU, "float32").name == "torch"
    assert Runtime(CPU, "float32", "GPU").name == "openvino:GPU"


def test_without_openvino_it_is_said_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UsageError, match=r"^device openvino needs OpenVINO .*: pip install 'laa\[openvino\]'$"):
        choose_runtime("openvino")


def test_of_a_device_that_is_not_there_those_are_named_that_are(devices: list[str]) -> None:
    devices.remove("GPU.0")
    with pytest.raises(UsageError, match=r"has no device 'NPU' here: use one of openvino:CPU, openvino:GPU\.1$"):
        choose_runtime("openvino:NPU")
    with pytest.raises(UsageError, match="has no device 'GPU' here"):
        choose_runtime("openvino:GPU")
