"""`laa bench speed`: the network alone, beside the peers' networks, and the whole program on a photo."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..console import Screen
from ..errors import Exit, LaaError, out_of_memory
from ..photo import read_photo
from ..upscale import Options, Upscaler
from ..utils import hardware as machine
from ..utils.atomic import check_writable, write_atomically
from ..utils.hardware import choose_device
from ..utils.timing import Timing
from . import pipeline
from . import speed_models as networks
from .report import tables_page
from .speed_result import SpeedResult
from .table import OutputFormat, emit

ALL = "all"


@dataclass(frozen=True)
class SpeedRequest:
    """What to time. LaaError on senseless values."""

    photo: Path | None = None
    weights: Path | None = None
    device: str = ALL  # or one of choose_device's
    seconds: float = 3.0  # for each measurement, at least; three rounds are made whatever they take
    save: Path | None = None
    report: Path | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Checks what can be checked before the work."""
        if not 0 <= self.seconds < 1e6:
            raise LaaError(f"--seconds must be 0 or more, not {self.seconds:g}", Exit.USAGE)

    @property
    def outputs(self) -> list[Path]:
        """Files to write."""
        return [path for path in (self.save, self.report) if path is not None]


def run(request: SpeedRequest, screen: Screen, form: OutputFormat) -> None:
    """Times, prints and writes."""
    for path in request.outputs:
        check_writable(path, overwrite=request.overwrite)
    if request.photo is not None:
        read_photo(request.photo, max_pixels=Options().max_pixels)  # for its errors
    devices = machine.devices() if request.device == ALL else [choose_device(request.device)]
    about = machine.machine_info()
    photos: dict[str, dict[str, Any]] = {}
    timings = [timing for step in screen.track(list(steps(request, devices, photos, screen)), "speed") for timing in step()]
    result = SpeedResult(about, timings, photos)
    emit(result.tables(), result.record, result.csv, form, screen)
    contents = {
        request.save: json.dumps(result.record(), indent=1),
        request.report: tables_page("laa bench speed", result.tables()),
    }
    for path in request.outputs:
        write_atomically(path, contents[path].encode(), overwrite=request.overwrite)


Step = Callable[[], list[Timing]]


def steps(request: SpeedRequest, devices: list[torch.device], photos: dict[str, Any], screen: Screen) -> Iterator[Step]:
    """What to do, the program on the photo first, because its memory counts; `photos` is filled on the way."""
    for device in devices:
        if request.photo is not None:
            yield program(request, request.photo, device, photos)
    for device in devices:
        yield from (limit(device, name, request.seconds) for name in machine.PRECISIONS)
        for contender in networks.speed_models(request.weights, device, screen):
            yield network(contender, device, request.seconds, screen)


def program(request: SpeedRequest, photo: Path, device: torch.device, photos: dict[str, Any]) -> Step:
    """The whole of `upscale`."""

    def step() -> list[Timing]:
        upscaler = Upscaler.load(str(device), request.weights)
        timings, photos[str(device)] = pipeline.time_upscale(photo, upscaler, device, request.seconds)
        return timings

    return step


def limit(device: torch.device, precision: str, seconds: float) -> Step:
    """What the machine can do at most."""
    return lambda: [machine.time_matrix_product(device, precision, seconds)]


def network(contender: networks.SpeedModel, device: torch.device, seconds: float, screen: Screen) -> Step:
    """A network alone, unless the device is too small for it."""

    def step() -> list[Timing]:
        try:
            return networks.time_network(contender, device, seconds)
        except Exception as error:
            if not out_of_memory(error):
                raise
            screen.notice(f"{contender.name} is not timed: {device} has too little memory for it")
            return []

    return step
