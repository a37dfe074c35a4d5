"""The result of `laa bench background` as tables, JSON and CSV; what is below bicubic is marked and said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ..utils.hardware import MachineInfo, machine_line
from .background_cost import PictureCost
from .background_data import BenchPictures
from .background_quality import PictureRow
from .degradation import CLEAN
from .perceptual import MetricColumn
from .result import NO_VALUE, format_gain, interval_cells, unavailable_notes
from .table import Table, format_csv

MARK = "!"  # beside what is below bicubic
CSV_COLUMNS = ("table", "method", "fault", "metric", "value", "low", "high", "gain", "gain_low", "gain_high")
COSTS = ("parameters", "gflops", "seconds", "cpu_seconds", "memory_mb", "gpu_memory_mb")  # fields of PictureCost


@dataclass(frozen=True)
class BackgroundResult:
    """The methods' figures in the order of the table, bicubic first, and their costs, then those of the peers."""

    pictures: BenchPictures
    scale: int
    device: str
    machine: MachineInfo
    columns: list[MetricColumn]
    rows: list[PictureRow]
    costs: list[PictureCost]
    cost_px: int  # side of the enlarged photo that costs were measured on

    @property
    def bicubic(self) -> PictureRow:
        """The row that every gain is over."""
        return self.rows[0]

    @property
    def ours(self) -> PictureRow:
        """The row that examples are chosen by: the last as `upscale` runs it, which is of the file given last, if any."""
        return next((row for row in reversed(self.rows) if row.method.kind == "upscale"), self.rows[-1])

    @property
    def faults(self) -> list[str]:
        """The degradations that were measured."""
        return list(self.bicubic.figures)

    @property
    def measured(self) -> list[MetricColumn]:
        """The metrics that could be measured."""
        return [column for column in self.columns if column.measure is not None]

    def tables(self) -> list[Table]:
        """Returns every table."""
        return [self.quality_table(), *([self.faults_table()] if len(self.faults) > 1 else []), self.cost_table()]

    def quality_table(self) -> Table:
        """Tabulates the metrics of clean reductions, and their gains over bicubic."""
        head = [(f">{column.title}", ">gain") for column in self.columns]
        lines = [(row.method.name, *(cell for c in self.columns for cell in self.format_metric(row, c))) for row in self.rows]
        notes = ["gain: over bicubic on the same pictures; ±: half the 95 % confidence interval, bootstrap over pictures"]
        notes += unavailable_notes(self.columns)
        if len(self.faults) == 1:
            notes += self.below_notes()
        title = f"{self.pictures}, enlarged {self.scale}x; PSNR (dB) and SSIM on Y"
        return Table(title, ("method", *sum(head, ())), lines, notes)

    def faults_table(self) -> Table:
        """Tabulates the gains over bicubic of each method under each degradation; what is below it is marked."""
        lines = [
            (row.method.name, fault, *(self.format_mark(row, fault, column) for column in self.measured))
            for row in self.rows[1:]
            for fault in self.faults
        ]
        head = ("method", "fault", *(f">{column.title} gain" for column in self.measured))
        return Table(f"Gains over bicubic by the photo's faults; {MARK}: below bicubic", head, lines, self.below_notes())

    def cost_table(self) -> Table:
        """Tabulates parameters, and FLOPs, time and memory per output megapixel."""
        on_gpu = any(cost.gpu_memory_mb is not None for cost in self.costs)
        head = ("method", ">parameters", ">GFLOPs", ">s", ">CPU s", ">MB", *([">GPU MB"] if on_gpu else []))
        lines = [format_cost(cost, on_gpu=on_gpu) for cost in self.costs]
        notes = [
            f"of a photo enlarged to {self.cost_px} px a side on {self.device}; GFLOPs: two for a multiplication and its "
            "addition; s: median; CPU s: of all threads; MB: peak memory beside the photo, the result and the loaded network",
            "time only: built by spandrel without weights, run on the whole photo at once",
            "; ".join(f"{row.method.name}: {row.method.note}" for row in self.rows if row.method.note),
            machine_line(self.machine),
        ]
        return Table("Cost per output megapixel", head, lines, [note for note in notes if note])

    def format_metric(self, row: PictureRow, column: MetricColumn) -> tuple[str, str]:
        """Formats the mean of a metric on clean reductions and its gain over bicubic."""
        if column.measure is None:
            return "n/a", NO_VALUE
        value = f"{row.mean(CLEAN, column.key).mean:.{column.digits}f}"
        return value, NO_VALUE if row is self.bicubic else self.format_mark(row, CLEAN, column)

    def format_mark(self, row: PictureRow, fault: str, column: MetricColumn) -> str:
        """Formats a gain over bicubic, with MARK where it is a loss."""
        gain = row.gain(fault, column.key, self.bicubic)
        with_interval = column.key == "psnr_db" and len(self.pictures.pictures) > 1
        text = format_gain(gain, column.digits, with_interval=with_interval)
        return f"{text} {MARK}" if row.is_below(fault, column, self.bicubic) else text

    def below_notes(self) -> list[str]:
        """Says for each method where it is below bicubic, or that it never is."""
        return [f"{row.method.name}: {self.below_note(row)}" for row in self.rows[1:]]

    def below_note(self, row: PictureRow) -> str:
        """Says where a method is below bicubic."""
        points = [
            f"{fault} ({column.title} {row.gain(fault, column.key, self.bicubic).mean:+.{column.digits + 1}f})"
            for fault in self.faults
            for column in self.measured
            if row.is_below(fault, column, self.bicubic)
        ]
        measured = ", ".join(column.title for column in self.measured)
        return f"below bicubic at {', '.join(points)}" if points else f"at least bicubic's {measured} at every point"

    def record(self) -> dict[str, Any]:
        """Returns the record for `--json`."""
        return {
            "data": str(self.pictures.source),
            "scale": self.scale,
            "pictures": len(self.pictures.pictures),
            "left_out": self.pictures.left_out,
            "device": self.device,
            "machine": self.machine,
            "methods": [self.method_record(row) for row in self.rows],
            "cost_px": self.cost_px,
            "costs": [asdict(cost) for cost in self.costs],
            "not_available": {column.key: column.unavailable for column in self.columns if column.measure is None},
        }

    def method_record(self, row: PictureRow) -> dict[str, Any]:
        """Returns the part of the record that is a method's figures."""
        faults = {fault: {c.key: self.metric_record(row, fault, c) for c in self.measured} for fault in self.faults}
        return {"name": row.method.name, "kind": row.method.kind, "note": row.method.note, "faults": faults}

    def metric_record(self, row: PictureRow, fault: str, column: MetricColumn) -> dict[str, Any]:
        """Returns a metric's mean and gain with their intervals, and whether it is below bicubic's."""
        gain = asdict(row.gain(fault, column.key, self.bicubic))
        below = row.is_below(fault, column, self.bicubic)
        return asdict(row.mean(fault, column.key)) | {"gain": gain, "below_bicubic": below}

    def csv(self) -> str:
        """Formats the result for `--csv`: a line for each figure."""
        return format_csv([dict(zip(CSV_COLUMNS, line, strict=True)) for line in self.csv_lines()])

    def csv_lines(self) -> Iterator[tuple[Any, ...]]:
        """Yields the cells of each line, in the order of CSV_COLUMNS."""
        for row in self.rows:
            for fault, figures in row.figures.items():
                for key in figures:
                    gain = row.gain(fault, key, self.bicubic)
                    yield "measured", row.method.name, fault, key, *interval_cells(row.mean(fault, key)), *interval_cells(gain)
        for cost in self.costs:
            yield from (("cost", cost.name, None, key, getattr(cost, key), *[None] * 5) for key in COSTS)


def format_cost(cost: PictureCost, *, on_gpu: bool) -> tuple[str, ...]:
    """Formats a method's line of the table of costs."""
    values = [(cost.gflops, 0), (cost.seconds, 2), (cost.cpu_seconds, 2), (cost.memory_mb, 0)]
    values += [(cost.gpu_memory_mb, 0)] if on_gpu else []
    cells = (NO_VALUE if value is None else f"{value:.{digits}f}" for value, digits in values)
    return cost.name, f"{cost.parameters / 1e6:.3f} M" if cost.parameters else NO_VALUE, *cells
