"""`laa bench compare`: two saved runs, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..console import Screen
from ..errors import LaaError
from .output import OutputFormat, csv_text, emit
from .speed_run import SpeedResult, read_speed_result
from .table import Table
from .timing import Timing

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
