"""The whole of `upscale` on a photo, stage by stage, with the memory it takes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..outputs import named
from ..photo import read_photo, write_photo
from ..upscale import Clock, Options, Upscaled
from .machine import forget_peak, peak_mb
from .timing import Timing, rounds_of, summary

Upscale = Callable[[Any, Options], Upscaled]
TOTAL = "upscale"
STAGES = ("read", "detect", "crop", "network", "enlarge", "paste", "write")


def timings(photo: Path, upscale: Upscale, device: torch.device, seconds: float) -> tuple[list[Timing], dict[str, Any]]:
    """A Timing for each stage and one for all, and what the photo is: its size, its faces, the memory it took."""
    runs: list[tuple[dict[str, float], dict[str, Any]]] = []
    with tempfile.TemporaryDirectory(prefix="laa-bench-") as folder:
        target = Path(folder) / named(photo, "_upscaled")
        forget_peak(device)
        spent = rounds_of(lambda: runs.append(once(photo, target, upscale)), device, seconds)
        about = runs[-1][1] | peak_mb(device)
    laps = [lap for lap, _ in runs[-len(spent) :]]  # without the warm-up
    stages = [
        summary(f"{TOTAL}: {stage}", str(device), "as run", 1, [1000 * lap.get(stage, 0.0) for lap in laps]) for stage in STAGES
    ]
    return [summary(TOTAL, str(device), "as run", 1, spent), *stages], about


def once(photo: Path, target: Path, upscale: Upscale) -> tuple[dict[str, float], dict[str, Any]]:
    """Reads, upscales and writes: seconds by stage, and what it was."""
    options, clock = Options(), Clock()
    content = read_photo(photo, max_pixels=options.max_pixels)
    clock.lap("read")
    result = upscale(content.pixels, options)
    clock.take(result.seconds)
    write_photo(content.with_pixels(result.pixels), target, overwrite=True)
    clock.lap("write")
    faces = {"faces": len(result.faces), "restored": len(result.restored)}
    return clock.seconds, {
        "photo": photo.name,
        "width": content.width,
        "height": content.height,
        "scale": options.scale,
    } | faces
