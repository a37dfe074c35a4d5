"""`laa bench speed`: times the network beside the peers' networks, and the whole of `upscale` on a photo."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from ..console import Screen
from ..errors import out_of_memory
from ..photo import read_photo
from ..restore.restorer import read_weights
from ..upscale import Options, Upscaler
from ..utils import hardware
from ..utils.inputs import Inputs
from ..utils.timing import Timing
from . import pipeline, speed_models
from .outputs import check_outputs, write_outputs
from .report import tables_page
from .requests import ALL_DEVICES, OutputFormat, SpeedRequest
from .speed_result import SpeedResult
from .table import emit

Step = Callable[[], list[Timing]]


def run(request: SpeedRequest, screen: Screen, output_format: OutputFormat) -> None:
    """Times, prints and writes. What cannot be read or written is an error before anything is timed."""
    inputs = Inputs.of([request.photo, request.weights])
    check_outputs(request.outputs, inputs, overwrite=request.overwrite)
    if request.photo is not None:
        read_photo(request.photo, max_pixels=Options().max_pixels)  # for its errors
    if request.weights is not None:
        read_weights(request.weights, screen.notice)
    devices = hardware.list_devices() if request.device == ALL_DEVICES else [hardware.choose_device(request.device)]
    result = SpeedResult(hardware.machine_info(), [], {})
    for step in screen.track(list(plan_steps(request, devices, result.photos, screen)), "speed"):
        result.timings.extend(step())
    emit(result.tables(), result.record, result.csv, output_format, screen)
    contents = {
        request.save: json.dumps(result.record(), indent=1),
        request.report: tables_page("laa bench speed", result.tables()),
    }
    write_outputs({path: contents[path].encode() for path in request.outputs}, inputs, overwrite=request.overwrite)


def plan_steps(
    request: SpeedRequest, devices: list[torch.device], photos: dict[str, pipeline.TimedPhotoRecord], screen: Screen
) -> Iterator[Step]:
    """Yields the measurements, the pipelines first, because their peak memory counts; they fill `photos` by device."""
    for device in devices:
        if request.photo is not None:
            yield pipeline_step(request, request.photo, device, photos)
    for device in devices:
        yield from (matrix_product_step(device, precision, request.seconds) for precision in hardware.PRECISIONS)
        for model in speed_models.speed_models(request.weights, device, screen):
            yield network_step(model, device, request.seconds, screen)


def pipeline_step(
    request: SpeedRequest, photo: Path, device: torch.device, photos: dict[str, pipeline.TimedPhotoRecord]
) -> Step:
    """Returns the measurement of the whole of `upscale`."""

    def step() -> list[Timing]:
        upscaler = Upscaler.load(str(device), request.weights)
        timings, photos[str(device)] = pipeline.time_upscale(photo, upscaler, device, request.seconds)
        return timings

    return step


def matrix_product_step(device: torch.device, precision: str, seconds: float) -> Step:
    """Returns the measurement of what the device can do at most."""
    return lambda: [hardware.time_matrix_product(device, precision, seconds)]


def network_step(model: speed_models.SpeedModel, device: torch.device, seconds: float, screen: Screen) -> Step:
    """Returns the measurement of a network alone, which is left out where the device has too little memory for it."""

    def step() -> list[Timing]:
        try:
            return speed_models.time_network(model, device, seconds)
        except Exception as error:
            if not out_of_memory(error):
                raise
            screen.notice(f"{model.name} is not timed: {device} has too little memory for it")
            return []

    return step
