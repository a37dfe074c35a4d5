"""The result of `laa bench speed` as tables, JSON and CSV; saved, loaded, and compared with another (`laa bench compare`)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, NotRequired, cast

from pydantic import ConfigDict, FiniteFloat, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from ..console import Screen
from ..errors import LaaError
from ..utils.hardware import LIMIT, MachineInfo, machine_line
from ..utils.jsonl import load_json
from ..utils.timing import Timing
from .pipeline import AS_RUN, TOTAL, TimedPhotoRecord
from .requests import OutputFormat
from .table import Table, emit, format_csv

KIND, FORMAT = "laa bench speed", 1  # of the file
SAME_MACHINE = ("cpu", "cores", "threads", "gpus", "system")  # must be equal for the ratio of two runs to be the software's
COMPARISON_HEAD = ("what", "on", ">batch", ">first, ms", ">second, ms", ">ratio")
COMPARISON_DROP = (">batch", ">first, ms", ">second, ms", "on")
COMPARISON_NOTE = "ratio: second over first, below 1 is faster; ~: the medians differ by less than the mean of the two IQRs"


class SpeedRecord(TypedDict):
    """A saved run. `timings`: the fields of Timing; `photos`: by device."""

    kind: str
    format: int
    machine: MachineInfo
    timings: list[dict[str, Any]]
    photos: dict[str, TimedPhotoRecord]


class SavedTiming(TypedDict):
    """What is read of a Timing."""

    what: str
    device: str
    precision: str
    batch: int
    median_ms: FiniteFloat
    iqr_ms: FiniteFloat
    best_ms: FiniteFloat
    rounds: int
    gflops: NotRequired[FiniteFloat | None]


class SavedPhoto(TypedDict):
    """What is read of a TimedPhotoRecord; the rest is kept as it is."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    photo: str
    width: int
    height: int
    restored: int
    faces: int


class SavedRun(TypedDict):
    """What is read of a SpeedRecord; earlier versions wrote fewer facts of the machine."""

    kind: str
    format: int
    machine: dict[str, Any]
    timings: list[SavedTiming]
    photos: dict[str, SavedPhoto]


SAVED = TypeAdapter(SavedRun)


class Comparison(TypedDict):
    """A measurement of two runs. `ratio`: second over first; `within_spread`: whether the difference may be chance."""

    what: str
    device: str
    precision: str
    batch: int
    first_ms: float
    second_ms: float
    ratio: float
    within_spread: bool


class TimingKind(Enum):
    """What a timing is of: a matrix product, the whole of `upscale` or a stage of it, or a network alone."""

    LIMIT = auto()
    PIPELINE = auto()
    NETWORK = auto()


def timing_kind(timing: Timing) -> TimingKind:
    """Derives what a timing is of from its fields, since saved runs have no field for it."""
    if timing.precision == AS_RUN:
        return TimingKind.PIPELINE
    return TimingKind.LIMIT if timing.what.startswith(LIMIT) else TimingKind.NETWORK


@dataclass(frozen=True)
class SpeedResult:
    """The machine, what was timed on it, and for each device the photo and the peak memory."""

    machine: MachineInfo
    timings: list[Timing]
    photos: dict[str, TimedPhotoRecord]

    @classmethod
    def load(cls, path: Path) -> SpeedResult:
        """Reads a saved run; LaaError where the file is none."""
        try:
            content = load_json(path.read_bytes())
            if isinstance(content, dict) and (content.get("kind", KIND), content.get("format", FORMAT)) != (KIND, FORMAT):
                raise LaaError(f"{path} is no run that this laa can read: save one with laa bench speed --save")
            values = SAVED.validate_python(content, strict=True)
        except OSError as error:
            raise LaaError(f"cannot read {path}: {error.strerror or error}") from error
        except ValidationError as error:
            fault = error.errors()[0]
            place = "".join(f"{part}: " for part in fault["loc"])
            raise LaaError(f"{path} is no saved run of laa bench speed ({place}{fault['msg']})") from error
        except ValueError as error:
            raise LaaError(f"{path} is no saved run of laa bench speed ({error})") from error
        timings = [Timing(**timing) for timing in values["timings"]]
        return cls(cast(MachineInfo, values["machine"]), timings, cast(dict[str, TimedPhotoRecord], values["photos"]))

    def record(self) -> SpeedRecord:
        """Returns the record that `--save` and `--json` write."""
        timings = [asdict(timing) for timing in self.timings]
        return {"kind": KIND, "format": FORMAT, "machine": self.machine, "timings": timings, "photos": self.photos}

    def csv(self) -> str:
        """Formats the result for `--csv`: a line for each timing."""
        return format_csv([asdict(timing) for timing in self.timings])

    def tables(self) -> list[Table]:
        """Returns every table: the networks, then the pipeline on each device."""
        return [self.networks_table(), *(self.pipeline_table(device) for device in self.photos)]

    def of_kind(self, kind: TimingKind) -> list[Timing]:
        """Selects the timings of a kind."""
        return [timing for timing in self.timings if timing_kind(timing) is kind]

    def networks_table(self) -> Table:
        """Tabulates networks alone, and how near they come to the fastest that the machine can do."""
        limits = {(limit.device, limit.precision): limit for limit in self.of_kind(TimingKind.LIMIT)}
        lines = [network_line(timing, limits[timing.device, timing.precision]) for timing in self.of_kind(TimingKind.NETWORK)]
        head = ("network", "on", ">faces", ">ms", ">IQR", ">faces/s", ">limit")
        notes = [
            "ms: median of one call; IQR: between its quartiles; limit: its share of the fastest large matrix product",
            "time only: built without weights; SwinIR from 16 to 128 px, GFPGAN and RestoreFormer at 512 px",
            *(f"limit on {t.device} in {t.precision}: {t.best_flops_per_s / 1e9:.0f} GFLOP/s" for t in limits.values()),
            machine_line(self.machine),
        ]
        drop = (">IQR", ">limit", ">faces/s", ">faces", "on")
        return Table("The network alone, from faces in memory to faces in memory", head, lines, notes, drop)

    def pipeline_table(self, device: str) -> Table:
        """Tabulates `upscale` on a photo, stage by stage, the whole last."""
        timings = [timing for timing in self.of_kind(TimingKind.PIPELINE) if timing.device == device]
        total = next(timing for timing in timings if timing.what == TOTAL)
        stages = [timing for timing in timings if timing is not total]
        lines = [
            (t.what, f"{t.median_ms:.1f}", f"{t.iqr_ms:.1f}", f"{t.median_ms / total.median_ms:.0%}") for t in (*stages, total)
        ]
        photo = self.photos[device]
        what = f"{photo['photo']}, {photo['width']}x{photo['height']}, {photo['restored']} of {photo['faces']} faces restored"
        title = f"laa upscale on {device}: {what}, enlarged {photo['scale']}x"
        notes = [f"median of {total.rounds} rounds; peak: {format_memory(photo)}; weights loaded before"]
        return Table(title, ("stage", ">ms", ">IQR", ">share"), lines, notes)


def network_line(timing: Timing, limit: Timing) -> tuple[str, ...]:
    """Formats a network's line of the table."""
    share = timing.share_of(limit)
    times = (f"{timing.median_ms:.1f}", f"{timing.iqr_ms:.1f}", f"{timing.per_second:.1f}")
    utilisation = f"{share:.0%}" if share is not None else "-"
    return timing.what, f"{timing.device}, {timing.precision}", str(timing.batch), *times, utilisation


def format_memory(photo: TimedPhotoRecord) -> str:
    """Formats peak memory, of the process and of the GPU."""
    peaks = ((photo.get("memory_mb"), "memory"), (photo.get("gpu_memory_mb"), "GPU memory"))
    return " and ".join(f"{peak:.0f} MB of {name}" for peak, name in peaks if peak is not None) or "not available"


# Comparison of two saved runs


def compare(first: Path, second: Path, screen: Screen, output_format: OutputFormat) -> None:
    """Prints the ratios of everything that two saved runs both timed. LaaError where a file is no run, or there is nothing."""
    before = SpeedResult.load(first)
    after = SpeedResult.load(second)
    comparisons = compare_timings(before, after)
    if not comparisons:
        raise LaaError(f"{first} and {second} have no measurement in common")
    differences = list_differences(before, after)
    for difference in differences if output_format == "csv" else []:  # the other forms have a place for it
        screen.notice(difference)
    lines = [comparison_line(comparison) for comparison in comparisons]
    table = Table(f"{first} and {second}", COMPARISON_HEAD, lines, [COMPARISON_NOTE, *differences], COMPARISON_DROP)
    record = {"ratios": comparisons, "differences": differences}
    emit([table], lambda: record, lambda: format_csv(comparisons), output_format, screen)


def compare_timings(before: SpeedResult, after: SpeedResult) -> list[Comparison]:
    """Compares what both runs timed, in the first one's order."""
    others = {timing.key: timing for timing in after.timings}
    return [compare_timing(timing, others[timing.key]) for timing in before.timings if timing.key in others]


def compare_timing(a: Timing, b: Timing) -> Comparison:
    """Compares two timings of the same thing."""
    return {
        "what": a.what,
        "device": a.device,
        "precision": a.precision,
        "batch": a.batch,
        "first_ms": a.median_ms,
        "second_ms": b.median_ms,
        "ratio": b.median_ms / a.median_ms if a.median_ms else float("inf") if b.median_ms else 1.0,
        "within_spread": abs(a.median_ms - b.median_ms) < (a.iqr_ms + b.iqr_ms) / 2,
    }


def comparison_line(comparison: Comparison) -> tuple[str, ...]:
    """Formats a comparison's line of the table."""
    ratio = f"{comparison['ratio']:.2f}{'~' if comparison['within_spread'] else ''}"
    times = f"{comparison['first_ms']:.1f}", f"{comparison['second_ms']:.1f}", ratio
    return comparison["what"], f"{comparison['device']}, {comparison['precision']}", str(comparison["batch"]), *times


def list_differences(before: SpeedResult, after: SpeedResult) -> list[str]:
    """Lists why the ratios may not be the software's: another machine, another photo."""
    pairs = [(name, before.machine.get(name), after.machine.get(name)) for name in SAME_MACHINE]
    differences = [f"different machines: {name} is {a} and {b}" for name, a, b in pairs if a != b]
    for device in before.photos.keys() & after.photos.keys():
        a, b = (describe_photo(result.photos[device]) for result in (before, after))
        if a != b:
            differences.append(f"different photos on {device}: {a} and {b}")
    return differences


def describe_photo(photo: TimedPhotoRecord) -> str:
    """Describes a photo by what decides how much work it is."""
    return f"{photo['photo']} {photo['width']}x{photo['height']}, {photo['restored']} of {photo['faces']} faces"
