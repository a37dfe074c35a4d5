"""`laa bench speed --batch`: what running photos side by side gains, and the memory it takes, measured in one run."""

from __future__ import annotations

import multiprocessing
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ..console import Screen
from ..errors import LaaError

ROUNDS = 3


@dataclass(frozen=True)
class BatchSpeedTask:
    """What every way of working is given: the photos in `source`, an empty folder `out`, and the device's name."""

    source: Path
    out: Path
    device: str
    memory_bytes: int

    @property
    def photos(self) -> list[Path]:
        """In the order of their names."""
        return sorted(self.source.iterdir())


Way = Callable[[BatchSpeedTask], float]  # does the photos and returns the seconds it took, without loading the models


def by_batch(task: BatchSpeedTask) -> float:
    """`laa batch`."""
    from ..batch.manifest import Recipe
    from ..batch.run import BatchRequest, run
    from ..upscale import ModelOptions, Options, Upscaler

    upscaler = Upscaler.load(task.device)
    job = BatchRequest(
        task.source, task.out, Recipe(options=Options(), models=ModelOptions(), weights="measured"), task.memory_bytes
    )
    started = time.perf_counter()
    run(job, lambda: upscaler, Screen(quiet=True))
    return time.perf_counter() - started


def by_api(task: BatchSpeedTask) -> float:
    """A loop over the Python API, as the README shows it."""
    from ..photo import read_photo, write_photo
    from ..upscale import Options, Upscaler

    upscaler, options = Upscaler.load(task.device), Options()
    started = time.perf_counter()
    for path in task.photos:
        photo = read_photo(path, max_pixels=options.max_pixels)
        write_photo(photo.with_pixels(upscaler(photo.pixels, options).pixels), task.out / path.name, overwrite=False)
    return time.perf_counter() - started


def by_command(task: BatchSpeedTask) -> float:
    """`laa upscale` for each photo, which loads the models each time."""
    started = time.perf_counter()
    for path in task.photos:
        command = [sys.executable, "-m", "laa_cli", "upscale", str(path), "-o", str(task.out / path.name), "--quiet"]
        subprocess.run([*command, "--device", task.device], check=True)
    return time.perf_counter() - started


def run(folder: Path, photos: int, commands: int, device: str, memory_bytes: int, screen: Screen, *, as_json: bool) -> None:
    """Measures the first `photos` photos, `commands` of them also one command each, and prints what came of it."""
    with tempfile.TemporaryDirectory() as scratch:
        many, few = copy_sample(folder, Path(scratch), photos), copy_sample(folder, Path(scratch), commands)
        task = BatchSpeedTask(many, Path(scratch, "out"), device, memory_bytes)
        rounds = [
            (in_subprocess(by_batch, task), in_subprocess(by_api, task)) for _ in screen.track(list(range(ROUNDS)), "rounds")
        ]
        batch, api = zip(*rounds, strict=True)
        single = [in_subprocess(by_command, BatchSpeedTask(few, Path(scratch, "out"), device, memory_bytes))]
        counts = {"laa batch": len(task.photos), "Python API": len(task.photos), "laa upscale": len(list(few.iterdir()))}
    figures = [
        summarize(name, counts[name], [*runs], [*batch]) for name, runs in zip(counts, (batch, api, single), strict=True)
    ]
    if as_json:
        screen.record({"folder": str(folder), "device": device, "memory_bytes": memory_bytes, "ways": figures})
    show(figures, screen)


def copy_sample(folder: Path, scratch: Path, count: int) -> Path:
    """A folder with copies of that many sound photos, taken evenly from all. LaaError where there are too few."""
    from ..batch.scan import NameFilter, scan
    from ..upscale import Options

    found = scan(folder.resolve(), scratch, NameFilter()).photos
    sound = [photo for photo in found[:: max(1, len(found) // (2 * count))] if is_readable(photo.path, Options().max_pixels)]
    if len(sound) < count:
        raise LaaError(f"{folder} has too few photos to measure {count} of them: ask for fewer")
    place = scratch / f"in-{count}"
    place.mkdir(exist_ok=True)
    for number, photo in enumerate(sound[:count]):
        shutil.copyfile(photo.path, place / f"{number:05}{Path(photo.output).suffix}")
    return place


def is_readable(path: Path, max_pixels: int) -> bool:
    """Whether a photo can be read."""
    from ..photo import read_photo

    try:
        return bool(read_photo(path, max_pixels=max_pixels))
    except LaaError:
        return False


def in_subprocess(way: Way, task: BatchSpeedTask) -> tuple[float, float]:
    """Runs a way in a process of its own, into an empty folder: seconds and the peak of its memory in MB."""
    shutil.rmtree(task.out, ignore_errors=True)
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=subprocess_main, args=(way, task, sender))
    process.start()
    sender.close()
    try:
        seconds, peak_mb = receiver.recv()
    except EOFError as error:
        raise LaaError(f"the measurement of {way.__name__} ended early: run it again with fewer photos") from error
    finally:
        process.join()
    return seconds, peak_mb


def subprocess_main(way: Way, task: BatchSpeedTask, sender: Connection) -> None:
    """What the other process does."""
    seconds = way(task)
    sender.send((seconds, peak_mb(children=way is by_command)))


def peak_mb(*, children: bool) -> float:
    """Most memory that this process, or one of its children, ever had."""
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF).ru_maxrss
    return used / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def summarize(name: str, photos: int, runs: list[tuple[float, float]], batch: list[tuple[float, float]]) -> dict[str, Any]:
    """Medians over the rounds. The ratio is that of each round, so that a change in the machine's load hits both sides."""
    pace = [photos / seconds for seconds, _ in runs]
    ratios = [own[0] / other[0] for own, other in zip(runs, batch, strict=False)] if len(runs) == len(batch) else []
    peak = max(memory for _, memory in runs)
    return {"way": name, "photos": photos, "photos_per_s": statistics.median(pace), "times_batch": ratios, "peak_mb": peak}


def show(figures: list[dict[str, Any]], screen: Screen) -> None:
    """The table."""
    best = figures[0]["photos_per_s"]
    rows = []
    for figure in figures:
        ratios = sorted(figure["times_batch"]) or [best / figure["photos_per_s"]]
        spread = f" ({ratios[0]:.2f} to {ratios[-1]:.2f})" if len(ratios) > 1 else ""
        gain = f"{statistics.median(ratios):.2f}{spread}" if figure is not figures[0] else "1"
        rows.append((figure["way"], f"{figure['photos']}", f"{figure['photos_per_s']:.2f}", gain, f"{figure['peak_mb']:.0f}"))
    title = f"median of {ROUNDS} rounds, models loaded before but by `laa upscale`"
    screen.table(title, ("way", ">photos", ">photos/s", ">times slower than laa batch", ">peak, MB"), rows)
