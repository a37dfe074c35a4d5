"""Whether `laa batch` runs the face network in OpenVINO where nobody said: `--device auto`.

Compiling takes 21 s of a core, once, and 2 s from the cache; after that a face takes 70 ms of a core in bfloat16, where torch
takes 88, on a CPU with AMX. At two faces a photo it pays from some 600 photos on. In float32 torch was the faster one.

Bytes differ between the two, so a folder stays with the one that it was begun with: a run that goes on with fewer photos left,
or with more of them, does not do again what is done.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..options import AUTO, ModelOptions
from ..restore.runtime import OPENVINO, TORCH, choose_runtime, has_openvino
from ..utils.jsonl import parse_line
from ..utils.precision import BFLOAT16
from .scan import NameFilter, check_folders, scan
from .schema import parse_record
from .unit_manifest import is_manifest, order_of

LEAST_PHOTOS = 1000  # of a folder, done or not, from which OpenVINO is chosen


def settle_device(models: ModelOptions, source: Path, out: Path, selection: NameFilter) -> ModelOptions:
    """Replaces the device AUTO by OpenVINO where that is installed and pays for a folder. Raises as `check_folders` does."""
    if not has_choice(models):
        return models
    source, out = check_folders(source, out)
    earlier = recorded_runtime(out)
    return prefer_openvino(models, 0 if earlier else len(scan(source, out, selection).photos), earlier)


def prefer_openvino(models: ModelOptions, photos: int, earlier: str | None) -> ModelOptions:
    """Replaces the device AUTO likewise. `photos`: of the folder; `earlier`: the runtime of its last result, if it has one."""
    if not has_choice(models):
        return models
    if earlier is not None:
        return replace(models, device=earlier) if earlier.startswith(OPENVINO) else models
    return replace(models, device=OPENVINO) if photos >= LEAST_PHOTOS else models


def has_choice(models: ModelOptions) -> bool:
    """Whether nobody chose a device, and OpenVINO is there and could be the faster one."""
    return models.device == AUTO and has_openvino() and may_pay(models)


def may_pay(models: ModelOptions) -> bool:
    """Whether torch would compute in bfloat16 on the CPU, where OpenVINO is faster."""
    runtime = choose_runtime(models.device, models.precision)
    return (runtime.device.type, runtime.precision) == ("cpu", BFLOAT16)


def recorded_runtime(out: Path) -> str | None:
    """Reads what the last result in a folder was made with; None where there is none. Changes nothing."""
    names = sorted((path.name for path in out.glob("manifest*.jsonl") if is_manifest(path.name)), key=order_of, reverse=True)
    for name in names:
        try:
            lines = (out / name).read_bytes().splitlines()
        except OSError:
            continue
        for record in map(parse_record, map(parse_line, reversed(lines))):
            if record is not None and record["error"] is None:
                return str(record["options"].get("runtime", TORCH))
    return None
