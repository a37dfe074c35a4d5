"""A run of `laa bench speed`, as tables, as a record, and read back from one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..console import Screen
from ..errors import LaaError
from ..utils.hardware import LIMIT, machine_line
from ..utils.timing import Timing
from .pipeline import TOTAL
from .table import OutputFormat, Table, csv_text, emit

KIND, FORMAT = "laa bench speed", 1


@dataclass(frozen=True)
class SpeedResult:
    """The machine, what was timed on it, and for each device the photo and the memory it took."""

    machine: dict[str, Any]
    timings: list[Timing]
    photos: dict[str, dict[str, Any]]

    def record(self) -> dict[str, Any]:
        """What `--save` and `--json` write."""
        timings = [asdict(timing) for timing in self.timings]
        return {"kind": KIND, "format": FORMAT, "machine": self.machine, "timings": timings, "photos": self.photos}

    def csv(self) -> str:
        """A line for each timing."""
        return csv_text([asdict(timing) for timing in self.timings])

    def tables(self) -> list[Table]:
        """The networks, then each device's whole program."""
        return [self.networks(), *(self.program(device) for device in self.photos)]

    def networks(self) -> Table:
        """Networks alone, beside the fastest that the machine can do."""
        limits = {(t.device, t.precision): t for t in self.timings if t.what.startswith(LIMIT)}
        lines = [network_line(t, limits[t.device, t.precision]) for t in self.timings if not t.what.startswith((LIMIT, TOTAL))]
        head = ("network", "on", ">faces", ">ms", ">IQR", ">faces/s", ">limit")
        notes = [
            "ms: median of one call; IQR: between its quartiles; limit: its share of the fastest large matrix product",
            "time only: built without weights; SwinIR from 16 to 128 px, GFPGAN and RestoreFormer at 512 px",
            *(f"limit on {limit.device} in {limit.precision}: {gflops_per_s(limit):.0f} GFLOP/s" for limit in limits.values()),
            machine_line(self.machine),
        ]
        return Table("The network alone, from faces in memory to faces in memory", head, lines, notes)

    def program(self, device: str) -> Table:
        """`upscale` on a photo, stage by stage."""
        about = self.photos[device]
        stages = [timing for timing in self.timings if timing.device == device and timing.what.startswith(TOTAL)]
        whole = stages[0].median_ms
        lines = [
            (t.what, f"{t.median_ms:.1f}", f"{t.iqr_ms:.1f}", f"{t.median_ms / whole:.0%}") for t in [*stages[1:], stages[0]]
        ]
        memory = [f"{about[key]:.0f} MB of {name}" for key, name in MEMORY.items() if about.get(key) is not None]
        what = f"{about['photo']}, {about['width']}x{about['height']}, {about['restored']} of {about['faces']} faces restored"
        title = f"laa upscale on {device}: {what}, enlarged {about['scale']}x"
        notes = [f"median of {stages[0].rounds} rounds; peak: {' and '.join(memory) or 'not available'}; weights loaded before"]
        return Table(title, ("stage", ">ms", ">IQR", ">share"), lines, notes)


MEMORY = {"memory_mb": "memory", "gpu_memory_mb": "GPU memory"}


def gflops_per_s(limit: Timing) -> float:
    """GFLOP/s of the fastest round."""
    return 1000 * (limit.gflops or 0) / limit.best_ms


def network_line(timing: Timing, limit: Timing) -> tuple[str, ...]:
    """A network's cells."""
    share = timing.share_of(limit)
    times = (f"{timing.median_ms:.1f}", f"{timing.iqr_ms:.1f}", f"{timing.per_second:.1f}")
    shown = f"{share:.0%}" if share is not None else "-"
    return timing.what, f"{timing.device}, {timing.precision}", str(timing.batch), *times, shown


def read_speed_result(path: Path) -> SpeedResult:
    """A saved run; LaaError where the file is none."""
    try:
        values = json.loads(path.read_text())
        if values["kind"] != KIND or values["format"] > FORMAT:
            raise LaaError(f"{path} is no run that this laa can read: save one with laa bench speed --save")
        return SpeedResult(values["machine"], [Timing(**timing) for timing in values["timings"]], values["photos"])
    except OSError as error:
        raise LaaError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise LaaError(f"{path} is no saved run of laa bench speed ({type(error).__name__}: {error})") from error


# `laa bench compare`: two saved runs, side by side.


SAME = ("cpu", "cores", "threads", "gpus", "system")  # what two runs must share for their ratio to be the software's


def run(first: Path, second: Path, screen: Screen, form: OutputFormat) -> None:
    """Prints the ratios of everything that both runs timed."""
    before, after = read_speed_result(first), read_speed_result(second)
    pairs = match_timings(before, after)
    if not pairs:
        raise LaaError(f"{first} and {second} have no measurement in common")
    for difference in differences(before, after) if form == "csv" else []:  # the other forms have a place for it
        screen.notice(difference)
    table = Table(f"{first} and {second}", HEAD, [line(a, b) for a, b in pairs], [NOTE, *differences(before, after)])
    rows = [row(a, b) for a, b in pairs]
    record = {"ratios": rows, "differences": differences(before, after)}
    emit([table], lambda: record, lambda: csv_text(rows), form, screen)


HEAD = ("what", "on", ">batch", ">first, ms", ">second, ms", ">ratio")
NOTE = "ratio: second over first, below 1 is faster; ~: the medians differ by less than the mean of the two IQRs"


def match_timings(before: SpeedResult, after: SpeedResult) -> list[tuple[Timing, Timing]]:
    """What both timed, in the first run's order."""
    there = {timing.key: timing for timing in after.timings}
    return [(timing, there[timing.key]) for timing in before.timings if timing.key in there]


def line(a: Timing, b: Timing) -> tuple[str, ...]:
    """One comparison."""
    what, device, precision, batch = a.key
    times = f"{a.median_ms:.1f}", f"{b.median_ms:.1f}", f"{ratio(a, b):.2f}{'~' if within_spread(a, b) else ''}"
    return what, f"{device}, {precision}", str(batch), *times


def ratio(a: Timing, b: Timing) -> float:
    """How many times as long the second takes."""
    return b.median_ms / a.median_ms if a.median_ms else float("inf") if b.median_ms else 1.0


def within_spread(a: Timing, b: Timing) -> bool:
    """Whether the difference may be chance."""
    return abs(a.median_ms - b.median_ms) < (a.iqr_ms + b.iqr_ms) / 2


def differences(before: SpeedResult, after: SpeedResult) -> list[str]:
    """Why the ratios may not be the software's: another machine, another photo."""
    pairs = [(name, before.machine.get(name), after.machine.get(name)) for name in SAME]
    found = [f"different machines: {name} is {a} and {b}" for name, a, b in pairs if a != b]
    for device in before.photos.keys() & after.photos.keys():
        a, b = (subject(run.photos[device]) for run in (before, after))
        if a != b:
            found.append(f"different photos on {device}: {a} and {b}")
    return found


def subject(photo: dict[str, Any]) -> str:
    """What work a photo was."""
    return f"{photo['photo']} {photo['width']}x{photo['height']}, {photo['restored']} of {photo['faces']} faces"


def row(a: Timing, b: Timing) -> dict[str, Any]:
    """One comparison for programs."""
    names = dict(zip(("what", "device", "precision", "batch"), a.key, strict=True))
    return names | {
        "first_ms": a.median_ms,
        "second_ms": b.median_ms,
        "ratio": ratio(a, b),
        "within_spread": within_spread(a, b),
    }
