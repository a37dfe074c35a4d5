"""The time of `upscale` on a photo, stage by stage, and its peak memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

import torch

from ..photo import read_photo, write_photo
from ..single.output_paths import default_name
from ..upscale import Options, Upscaled
from ..utils.hardware import PeakMemory, peak_memory, reset_peak_memory
from ..utils.inputs import NO_INPUTS
from ..utils.timing import StageTimer, Timing, summarize, time_rounds

Upscale = Callable[[Any, Options], Upscaled]
TOTAL = "upscale"
STAGES = ("read", "detect", "crop", "network", "enlarge", "paste", "write")
AS_RUN = "as run"  # the precision of a pipeline's timings, which only they have


class TimedPhoto(TypedDict):
    """The photo and what was done with it. `faces`: detected; `restored`: of them."""

    photo: str
    width: int
    height: int
    scale: int
    faces: int
    restored: int


class TimedPhotoRecord(TimedPhoto, PeakMemory):
    """A photo and the peak memory of the run."""


def time_upscale(photo: Path, upscale: Upscale, device: torch.device, seconds: float) -> tuple[list[Timing], TimedPhotoRecord]:
    """Times reading, upscaling and writing a photo: a Timing of the whole, one for each stage, and the photo's record."""
    runs: list[tuple[dict[str, float], TimedPhoto]] = []
    with tempfile.TemporaryDirectory(prefix="laa-bench-") as folder:
        target = Path(folder) / default_name(photo, "_upscaled")
        reset_peak_memory(device)
        times_ms = time_rounds(lambda: runs.append(upscale_once(photo, target, upscale)), device, seconds)
        record: TimedPhotoRecord = {**runs[-1][1], **peak_memory(device)}
    laps = [lap for lap, _ in runs[-len(times_ms) :]]  # without the warm-up
    stages = [
        summarize(f"{TOTAL}: {stage}", str(device), AS_RUN, 1, [1000 * lap.get(stage, 0.0) for lap in laps]) for stage in STAGES
    ]
    return [summarize(TOTAL, str(device), AS_RUN, 1, times_ms), *stages], record


def upscale_once(photo: Path, target: Path, upscale: Upscale) -> tuple[dict[str, float], TimedPhoto]:
    """Reads, upscales and writes a photo; returns the seconds by stage and facts of the photo."""
    options = Options()
    timer = StageTimer()
    content = read_photo(photo, max_pixels=options.max_pixels)
    timer.lap("read")
    result = upscale(content.pixels, options)
    timer.add(result.seconds)
    write_photo(content.with_pixels(result.pixels), target, inputs=NO_INPUTS, overwrite=True)
    timer.lap("write")
    return timer.seconds, {
        "photo": photo.name,
        "width": content.width,
        "height": content.height,
        "scale": options.scale,
        "faces": len(result.faces),
        "restored": len(result.restored),
    }
