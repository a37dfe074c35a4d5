"""The runtime: what the face network computes on, in which precision, and whether torch or OpenVINO does it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import torch

from ..errors import UsageError
from ..utils.amx import avoid_undescribed_amx
from ..utils.hardware import choose_device
from ..utils.precision import AUTO, FLOAT32, choose_precision

TORCH, OPENVINO = "torch", "openvino"
OPENVINO_CPU = "CPU"  # as OpenVINO calls it
HOW_TO_INSTALL = "pip install 'laa[openvino]'"


@dataclass(frozen=True)
class Runtime:
    """What was chosen. `device`: torch's, which all but the face network is computed on in any case.

    `precision`: FLOAT32 or BFLOAT16. `openvino`: OpenVINO's device that the face network runs on; None: torch runs it.
    """

    device: torch.device
    precision: str
    openvino: str | None = None

    @classmethod
    def on(cls, device: torch.device) -> Runtime:
        """Returns what runs on a device of torch's by default."""
        return cls(device, choose_precision(AUTO, device))

    @property
    def name(self) -> str:
        """What records call it: two runtimes, or two of OpenVINO's devices, give other bytes."""
        return TORCH if self.openvino is None else f"{OPENVINO}:{self.openvino}"


def choose_runtime(device: str = AUTO, precision: str = AUTO) -> Runtime:
    """Chooses by names: a device of `choose_device`, or "openvino", "openvino:GPU" and so on; and one of `options.PRECISIONS`.

    UsageError where there is none of that name, or OpenVINO is not installed. AUTO is never OpenVINO, which begins slowly.
    Who calls laa from Python begins here, so the CPU's instructions are looked after, too: see `avoid_undescribed_amx`.
    """
    avoid_undescribed_amx()
    kind, _, openvino = device.partition(":")
    if kind != OPENVINO:
        chosen = choose_device(device)
        return Runtime(chosen, choose_precision(precision, chosen))
    openvino = check_openvino_device(openvino or OPENVINO_CPU)
    if precision == AUTO:
        precision = choose_precision(AUTO, torch.device("cpu")) if openvino == OPENVINO_CPU else FLOAT32
    return Runtime(torch.device("cpu"), precision, openvino)


def has_openvino() -> bool:
    """Tells whether OpenVINO is installed, without importing it."""
    return find_spec("openvino") is not None


def check_openvino_device(name: str) -> str:
    """Returns the name of an OpenVINO device as OpenVINO writes it. UsageError where it is not installed or has none such."""
    try:
        from openvino import Core
    except ImportError as error:
        raise UsageError(f"device {OPENVINO} needs OpenVINO ({error}): {HOW_TO_INSTALL}") from error
    devices = Core().available_devices
    chosen = name.upper()
    if chosen not in devices and f"{chosen}.0" not in devices:
        raise UsageError(f"OpenVINO has no device {name!r} here: use one of {', '.join(f'{OPENVINO}:{d}' for d in devices)}")
    return chosen
