"""Measures the driver of `laa batch` over many made-up photos: CPU seconds of each step and peak memory.

    python -m tests.cluster.scale --photos 100000 --place /tmp/laa-scale

`--place`: an empty folder, memory:// (peak memory then has the files in it), or `s3`, a server on this machine. A stage is a
run of the driver in a process of its own, with a stub in the place of the workers, whose share is not counted. Linux only.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial, wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

from laa_cli.cluster import run as driver
from laa_cli.cluster.run import ClusterRequest
from laa_cli.console import Screen
from laa_cli.utils.storage import LocalStorage
from laa_cli.utils.url_storage import open_storage
from tests.cluster.made_up import (
    Killed,
    MadeUpStorage,
    StubExecutor,
    make_photos,
    photo_names,
    place_in,
    settings_of,
    write_small,
)

STEPS: dict[str, tuple[Any, str]] = {  # columns, and what they measure
    "photos": (driver, "list_photos"),
    "results": (driver, "list_results"),
    "read": (driver.RecordIndex, "read"),
    "plan": (driver.Planner, "plan"),
    "cut": (driver, "cut_units"),
    "run": (driver.ClusterRun, "run_units"),
    "gallery": (driver.ClusterRun, "write_gallery"),
    "clear": (driver.ClusterRun, "clear"),
}
CHANGED = 100  # one of so many photos


class Stopwatch:
    """CPU seconds of this process by step."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STEPS, 0.0)

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps a function so that its calls are counted."""

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            started = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[step] += time.process_time() - started

        return wrapper

    @contextmanager
    def patched(self, executor: StubExecutor) -> Iterator[None]:
        """Counts the driver's steps meanwhile, and gives it the stub."""
        with ExitStack() as stack:
            stack.enter_context(patch.object(driver, "make_executor", lambda *_: executor))
            for step, (owner, name) in STEPS.items():
                stack.enter_context(patch.object(owner, name, self.timed(step, getattr(owner, name))))
            yield


def memory_kb(field: str) -> int:
    """This process's memory, `VmRSS` now or `VmHWM` at its peak, in KB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def run_as_command(request: ClusterRequest) -> None:
    """Runs the driver as `laa batch` does."""
    driver.run(request, Screen(quiet=True))


def run_made_up(request: ClusterRequest, photos: int) -> None:
    """Runs the driver over storages that are not there, without a lock."""
    places = (MadeUpStorage(name, photos, results=name == "out") for name in ("in", "out"))
    hold: Any = SimpleNamespace(token="", check=lambda: None)
    driver.ClusterRun(request, *cast(Any, places), hold, Screen(quiet=True)).run()


def measure(
    source: str,
    out: str,
    dies_after: int | None = None,
    run: Callable[[ClusterRequest], None] = run_as_command,
    **options: bool,
) -> dict[str, float]:
    """Runs the driver once. Returns CPU seconds by step and as a whole, and the peak of memory above what it began with."""
    request = ClusterRequest(settings=settings_of(source, out, **options))
    executor = StubExecutor(open_storage(out), dies_after)
    stopwatch = Stopwatch()
    gc.collect()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    base_kb = memory_kb("VmRSS")
    started = time.process_time()
    with stopwatch.patched(executor), suppress(Killed):
        run(request)
    total = time.process_time() - started - executor.seconds
    stopwatch.seconds["run"] -= executor.seconds
    return {"done": executor.done, **stopwatch.seconds, "total": total, "peak_kb": memory_kb("VmHWM") - base_kb}


# The stages, in their order


def touch(place: str, photos: int) -> None:
    """Gives all photos another time."""
    storage = open_storage(place_in(place, "in"))
    now = time.time()
    for name in photo_names(photos):
        if isinstance(storage, LocalStorage):
            os.utime(storage.local_path(name), (now, now))
        else:
            write_small(storage, name, storage.read(name))


def change(place: str, photos: int) -> None:
    """Changes one photo of a hundred."""
    storage = open_storage(place_in(place, "in"))
    for number, name in enumerate(photo_names(photos)):
        if number % CHANGED == 0:
            write_small(storage, name, b"a changed photo, which is of another size than it was before")


def prepare(stage: str, place: str, photos: int) -> None:
    """Makes what a stage begins with."""
    if stage == "first":
        make_photos(open_storage(place_in(place, "in")), photos)
    elif stage == "touched":
        touch(place, photos)
    elif stage == "changed":
        change(place, photos)


STAGES: dict[str, dict[str, Any]] = {
    "made-up": {"run": run_made_up},  # none is to be done, of storages that are not there
    "first": {},  # all photos are to be done
    "again": {},  # none is
    "touched": {},  # all have another time
    "changed": {},  # one of a hundred is another
    "thumbnails": {"report": True},  # all are done but for what the gallery shows
    "gallery": {"report": True},  # nothing but the gallery is to be written
    "killed": {"out": "out2"},  # half of them
    "resumed": {"out": "out2"},  # the other half
}


def run_stage(stage: str, place: str, photos: int) -> dict[str, float]:
    """Measures one stage."""
    options = dict(STAGES[stage])
    out = options.pop("out", "out")
    if "run" in options:
        options["run"] = partial(options["run"], photos=photos)
    dies_after = photos // 2 + 50 if stage == "killed" else None
    return measure(place_in(place, "in"), place_in(place, out), dies_after, **options)


def run_apart(stage: str, place: str, photos: int) -> dict[str, float]:
    """Measures one stage in a process of its own."""
    command = [sys.executable, "-m", "tests.cluster.scale", "--photos", str(photos), "--place", place, "--stage", stage]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def show(stage: str, photos: int, figures: dict[str, float]) -> None:
    """Prints a stage's line."""
    steps = "".join(f"{figures[step]:>9.2f}" for step in [*STEPS, "total"])
    per_photo = f"{figures['total'] / photos * 1e6:>9.0f} {figures['peak_kb'] / 1024:>9.0f} {figures['peak_kb'] / photos:>9.2f}"
    print(f"{photos:>8} {stage:<10} {figures['done']:>8.0f}{steps} {per_photo}", flush=True)


def main() -> None:
    """Measures all stages, or one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--place", required=True)
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        print(json.dumps(run_stage(arguments.stage, arguments.place, arguments.photos)))
        return
    with ExitStack() as stack:
        place = arguments.place
        if place == "s3":
            from tests.stores import new_bucket, s3_server

            os.environ.update(stack.enter_context(s3_server()))
            place = f"{new_bucket()}/scale"
        run = run_stage if place.startswith("memory://") else run_apart
        columns = "".join(f"{name:>9}" for name in [*STEPS, "total"])
        print(f"{'photos':>8} {'stage':<10} {'done':>8}{columns} {'us/each':>9} {'peak MB':>9} {'KB/each':>9}")
        for stage in arguments.stages.split(","):
            prepare(stage, place, arguments.photos)
            show(stage, arguments.photos, run(stage, place, arguments.photos))


if __name__ == "__main__":
    main()
