"""The whole of `upscale` on a photo, stage by stage, with the memory it takes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..photo import read_photo, write_photo
from ..single.output_paths import default_name
from ..upscale import Options, Upscaled
from ..utils.hardware import peak_memory_mb, reset_peak_memory
from ..utils.timing import StageTimer, Timing, summarize, time_rounds

Upscale = Callable[[Any, Options], Upscaled]
TOTAL = "upscale"
STAGES = ("read", "detect", "crop", "network", "enlarge", "paste", "write")


def time_upscale(photo: Path, upscale: Upscale, device: torch.device, seconds: float) -> tuple[list[Timing], dict[str, Any]]:
    """A Timing for each stage and one for all, and what the photo is: its size, its faces, the memory it took."""
    runs: list[tuple[dict[str, float], dict[str, Any]]] = []
    with tempfile.TemporaryDirectory(prefix="laa-bench-") as folder:
        target = Path(folder) / default_name(photo, "_upscaled")
        reset_peak_memory(device)
        spent = time_rounds(lambda: runs.append(upscale_once(photo, target, upscale)), device, seconds)
        about = runs[-1][1] | peak_memory_mb(device)
    laps = [lap for lap, _ in runs[-len(spent) :]]  # without the warm-up
    stages = [
        summarize(f"{TOTAL}: {stage}", str(device), "as run", 1, [1000 * lap.get(stage, 0.0) for lap in laps])
        for stage in STAGES
    ]
    return [summarize(TOTAL, str(device), "as run", 1, spent), *stages], about


def upscale_once(photo: Path, target: Path, upscale: Upscale) -> tuple[dict[str, float], dict[str, Any]]:
    """Reads, upscales and writes: seconds by stage, and what it was."""
    options, clock = Options(), StageTimer()
    content = read_photo(photo, max_pixels=options.max_pixels)
    clock.lap("read")
    result = upscale(content.pixels, options)
    clock.add(result.seconds)
    write_photo(content.with_pixels(result.pixels), target, overwrite=True)
    clock.lap("write")
    faces = {"faces": len(result.faces), "restored": len(result.restored)}
    return clock.seconds, {
        "photo": photo.name,
        "width": content.width,
        "height": content.height,
        "scale": options.scale,
    } | faces
