"""`laa bench speed --batch`: throughput and peak memory of `laa batch`, a loop over the Python API, and a command per photo."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from ..console import Screen
from ..errors import LaaError
from ..utils.hardware import peak_rss_bytes
from .isolation import in_subprocess
from .requests import BatchSpeedRequest

ROUNDS = 3


@dataclass(frozen=True, kw_only=True)
class BatchSpeedTask:
    """What every way of working is given: the photos in `source`, an empty folder `out`, and the device's name."""

    source: Path
    out: Path
    device: str
    memory_bytes: int

    @property
    def photos(self) -> list[Path]:
        """The photos in the order of their names."""
        return sorted(self.source.iterdir())


Way = Callable[[BatchSpeedTask], float]  # does the photos and returns the seconds it took, without loading the models


@dataclass(frozen=True)
class WayRun:
    """One measurement of a way of working. `peak_mb`: peak resident memory in units of 2^20 bytes; None on Windows."""

    seconds: float
    peak_mb: float | None


class WayRecord(TypedDict):
    """A way of working over all rounds. `times_batch`: for each round, its seconds over those of `laa batch`."""

    way: str
    photos: int
    photos_per_s: float
    times_batch: list[float]
    peak_mb: float | None


def run_batch(task: BatchSpeedTask) -> float:
    """Runs `laa batch`."""
    from ..batch.manifest import Recipe
    from ..batch.run import BatchRequest, run
    from ..upscale import ModelOptions, Options, Upscaler

    upscaler = Upscaler.load(task.device)
    recipe = Recipe(options=Options(), models=ModelOptions(device=task.device), weights="measured")
    request = BatchRequest(source=task.source, out=task.out, recipe=recipe, memory_bytes=task.memory_bytes)
    started = time.perf_counter()
    run(request, lambda: upscaler, Screen(quiet=True))
    return time.perf_counter() - started


def run_api(task: BatchSpeedTask) -> float:
    """Runs a loop over the Python API, as the README shows it."""
    from ..photo import read_photo, write_photo
    from ..upscale import Options, Upscaler
    from ..utils.inputs import NO_INPUTS

    upscaler = Upscaler.load(task.device)
    options = Options()
    started = time.perf_counter()
    for path in task.photos:
        photo = read_photo(path, max_pixels=options.max_pixels)
        enlarged = photo.with_pixels(upscaler(photo.pixels, options).pixels)
        write_photo(enlarged, task.out / path.name, inputs=NO_INPUTS, overwrite=False)
    return time.perf_counter() - started


def run_commands(task: BatchSpeedTask) -> float:
    """Runs `laa upscale` for each photo, which loads the models each time."""
    started = time.perf_counter()
    for path in task.photos:
        command = [sys.executable, "-m", "laa_cli", "upscale", str(path), "-o", str(task.out / path.name), "--quiet"]
        subprocess.run([*command, "--device", task.device], check=True)
    return time.perf_counter() - started


def run(request: BatchSpeedRequest, screen: Screen, *, as_json: bool) -> None:
    """Measures the ways of working in turns, on copies of the same photos, and prints what came of it."""
    from ..batch.executor import parse_size

    memory_bytes = parse_size(None)
    with tempfile.TemporaryDirectory() as scratch:
        many = copy_sample(request.folder, Path(scratch), request.photos)
        few = copy_sample(request.folder, Path(scratch), request.command_photos)
        task = BatchSpeedTask(source=many, out=Path(scratch, "out"), device=request.device_name, memory_bytes=memory_bytes)
        batch: list[WayRun] = []
        api: list[WayRun] = []
        for _ in screen.track(list(range(ROUNDS)), "rounds"):
            batch.append(run_way(run_batch, task))
            api.append(run_way(run_api, task))
        commands = [run_way(run_commands, replace(task, source=few))]
    records = [
        summarize_way("laa batch", request.photos, batch, batch),
        summarize_way("Python API", request.photos, api, batch),
        summarize_way("laa upscale", request.command_photos, commands, batch),
    ]
    if as_json:
        about = {"folder": str(request.folder), "device": request.device_name, "memory_bytes": memory_bytes}
        screen.record({**about, "ways": records})
    show(records, screen)


def copy_sample(folder: Path, scratch: Path, count: int) -> Path:
    """Copies that many readable photos, taken evenly from all, into a new folder. LaaError where there are too few."""
    from ..batch.scan import NameFilter, scan
    from ..upscale import Options

    photos = scan(folder.resolve(), scratch, NameFilter()).photos
    sample = [photo for photo in photos[:: max(1, len(photos) // (2 * count))] if is_readable(photo.path, Options().max_pixels)]
    if len(sample) < count:
        raise LaaError(f"{folder} has too few photos to measure {count} of them: ask for fewer")
    target = scratch / f"in-{count}"
    target.mkdir(exist_ok=True)
    for number, photo in enumerate(sample[:count]):
        shutil.copyfile(photo.path, target / f"{number:05}{Path(photo.output).suffix}")
    return target


def is_readable(path: Path, max_pixels: int | None) -> bool:
    """Tells whether a photo can be read."""
    from ..photo import read_photo

    try:
        return bool(read_photo(path, max_pixels=max_pixels))
    except LaaError:
        return False


def run_way(way: Way, task: BatchSpeedTask) -> WayRun:
    """Runs a way in a process of its own, into an empty folder."""
    shutil.rmtree(task.out, ignore_errors=True)
    return in_subprocess(way.__name__, measure_way, way, task)


def measure_way(way: Way, task: BatchSpeedTask) -> WayRun:
    """Runs a way and reads the peak memory of this process; the commands' is that of child processes."""
    seconds = way(task)
    peak = peak_rss_bytes(children=way is run_commands)
    return WayRun(seconds, peak / (1 << 20) if peak is not None else None)


def summarize_way(name: str, photos: int, runs: list[WayRun], batch: list[WayRun]) -> WayRecord:
    """Reduces the rounds to medians. Ratios are those of each round, so that a change in the machine's load hits both sides."""
    ratios = [own.seconds / other.seconds for own, other in zip(runs, batch, strict=False)] if len(runs) == len(batch) else []
    return {
        "way": name,
        "photos": photos,
        "photos_per_s": statistics.median(photos / run.seconds for run in runs),
        "times_batch": ratios,
        "peak_mb": max((run.peak_mb for run in runs if run.peak_mb is not None), default=None),
    }


def show(records: list[WayRecord], screen: Screen) -> None:
    """Prints the table; the first record is that of `laa batch`, which the others are compared with."""
    batch, *others = records
    lines = [table_line(batch, "1"), *(table_line(other, slowdown(other, batch)) for other in others)]
    title = f"median of {ROUNDS} rounds, models loaded before but by `laa upscale`"
    screen.table(title, ("way", ">photos", ">photos/s", ">times slower than laa batch", ">peak, MB"), lines)


def table_line(record: WayRecord, ratio: str) -> tuple[str, ...]:
    """Formats a way's line of the table."""
    peak = f"{record['peak_mb']:.0f}" if record["peak_mb"] is not None else "-"
    return record["way"], f"{record['photos']}", f"{record['photos_per_s']:.2f}", ratio, peak


def slowdown(record: WayRecord, batch: WayRecord) -> str:
    """Formats how many times slower than `laa batch` a way is: the median and, of several rounds, the range."""
    ratios = sorted(record["times_batch"]) or [batch["photos_per_s"] / record["photos_per_s"]]
    spread = f" ({ratios[0]:.2f} to {ratios[-1]:.2f})" if len(ratios) > 1 else ""
    return f"{statistics.median(ratios):.2f}{spread}"
