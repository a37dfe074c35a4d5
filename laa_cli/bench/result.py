"""The result of `laa bench faces` as tables, JSON and CSV, beside the figures that the paper publishes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ..utils.hardware import MachineInfo, machine_line
from .data import BenchFaces
from .degradation import CLEAN
from .evaluate import BICUBIC, MeanInterval, MethodResult
from .perceptual import MetricColumn
from .size_curve import CurvePoint
from .table import Table, format_csv

NO_VALUE = "-"
CSV_COLUMNS = ("table", "method", "fault", "crop_px", "metric", "value", "low", "high", "gain", "gain_low", "gain_high")
PAPER = "paper: as published, from its own faces and training; only gains can be compared."

# What the paper reports (Li et al., IJCAI 2023, Table 1), from its own faces and training: its gains can be compared.
PUBLISHED: dict[str, dict[str, dict[str, float]]] = {
    "CelebA": {
        "Bicubic": {"psnr_db": 24.10, "ssim": 0.6605, "lpips": 0.5267},
        "SwinIR": {"psnr_db": 28.27, "ssim": 0.8192, "lpips": 0.1808},
        "LAA-Transformer": {"psnr_db": 28.58, "ssim": 0.8297, "lpips": 0.1542},
    },
    "Helen": {
        "Bicubic": {"psnr_db": 24.25, "ssim": 0.6798, "lpips": 0.5236},
        "SwinIR": {"psnr_db": 28.04, "ssim": 0.8219, "lpips": 0.1905},
        "LAA-Transformer": {"psnr_db": 28.36, "ssim": 0.8318, "lpips": 0.1626},
    },
}
PUBLISHED_BICUBIC = "Bicubic"  # its row there


@dataclass(frozen=True)
class FacesResult:
    """The methods' results in the order of the table; the curve may be empty."""

    faces: BenchFaces
    device: str
    machine: MachineInfo
    columns: list[MetricColumn]
    rows: list[MethodResult]
    curve: list[CurvePoint]

    @property
    def bicubic(self) -> MethodResult:
        """The row that every gain is over."""
        return next(row for row in self.rows if row.method.name == BICUBIC)

    @property
    def ours(self) -> MethodResult:
        """The row of `upscale`, by which the sheet's faces are chosen; with several weights, of those that were given first."""
        return next(row for row in self.rows if row.method.kind == "upscale")

    def tables(self) -> list[Table]:
        """Returns every table."""
        return [self.quality_table(), self.cost_table(), *self.curve_tables()]

    def quality_table(self) -> Table:
        """Tabulates the metrics that have gains over bicubic, with ours and the paper's."""
        columns = [column for column in self.columns if column.gains]
        head = [(f">{column.title}", ">gain") for column in columns]
        lines = [(row.method.name, *(cell for c in columns for cell in self.format_metric(row, c))) for row in self.rows]
        lines += list(published_lines(columns))
        notes = [f"gain: over bicubic on the same faces; ±: half the 95 % confidence interval, bootstrap over faces. {PAPER}"]
        notes += unavailable_notes(columns)
        return Table(f"{self.faces}, 16 to 128 px; PSNR (dB) and SSIM on Y", ("method", *sum(head, ())), lines, notes)

    def cost_table(self) -> Table:
        """Tabulates the other metrics, parameters, FLOPs and time."""
        columns = [column for column in self.columns if not column.gains]
        head = ("method", *(f">{c.title}" for c in columns), ">parameters", ">GFLOPs", ">ms per face")
        lines = [(row.method.name, *(self.format_metric(row, c)[0] for c in columns), *format_cost(row)) for row in self.rows]
        notes = unavailable_notes(columns)
        notes.append(f"GFLOPs: of one face, two for a multiplication and its addition; ms: median, on {self.device}")
        notes.append("; ".join(f"{row.method.name}: {row.method.note}" for row in self.rows if row.method.note))
        notes.append(machine_line(self.machine))
        return Table("Truth to the photo, and cost", head, lines, notes)

    def curve_tables(self) -> list[Table]:
        """Tabulates the curve, a table for each degradation."""
        faults = dict.fromkeys(point.fault for point in self.curve)
        return [curve_table([point for point in self.curve if point.fault == fault], self.columns) for fault in faults]

    def format_metric(self, row: MethodResult, column: MetricColumn) -> tuple[str, str]:
        """Formats the mean of a metric and its gain over bicubic."""
        if column.measure is None:
            return "n/a", NO_VALUE
        value = f"{row.mean(column.key).mean:.{column.digits}f}"
        if row is self.bicubic:
            return value, NO_VALUE
        with_interval = column.key == "psnr_db" and len(self.faces.faces) > 1  # a terminal has no room for more
        return value, format_gain(row.gain(column.key, self.bicubic), column.digits, with_interval=with_interval)

    def record(self) -> dict[str, Any]:
        """Returns the record for `--json`."""
        return {
            "data": str(self.faces.source),
            "faces": len(self.faces.faces),
            "left_out": self.faces.left_out,
            "device": self.device,
            "machine": self.machine,
            "methods": [self.method_record(row) for row in self.rows],
            "not_available": {column.key: column.unavailable for column in self.columns if column.measure is None},
            "published": PUBLISHED,
            "curve": [asdict(point) for point in self.curve],
        }

    def method_record(self, row: MethodResult) -> dict[str, Any]:
        """Returns the part of the record that is a method's."""
        method = row.method
        metrics = {key: asdict(row.mean(key)) | {"gain": asdict(row.gain(key, self.bicubic))} for key in row.figures}
        cost = {"parameters": method.parameters, "gflops": row.gflops, "ms_per_face": row.ms}
        return {"name": method.name, "note": method.note, **cost, "metrics": metrics}

    def csv(self) -> str:
        """Formats the result for `--csv`: a line for each figure."""
        return format_csv([dict(zip(CSV_COLUMNS, line, strict=True)) for line in self.csv_lines()])

    def csv_lines(self) -> Iterator[tuple[Any, ...]]:
        """Yields the cells of each line, in the order of CSV_COLUMNS."""
        for row in self.rows:
            start = ("measured", row.method.name, CLEAN, 16)
            for key in row.figures:
                yield *start, key, *interval_cells(row.mean(key)), *interval_cells(row.gain(key, self.bicubic))
            for key, value in (("parameters", row.method.parameters), ("gflops", row.gflops), ("ms_per_face", row.ms)):
                yield *start, key, value, *[None] * 5
        for name, methods in PUBLISHED.items():
            yield from mean_lines(methods, PUBLISHED_BICUBIC, f"published, {name}", CLEAN, 16)
        for point in self.curve:
            yield from mean_lines(point.rows, BICUBIC, "curve", point.fault, point.side_px)


def mean_lines(rows: dict[str, dict[str, float]], over: str, table: str, fault: str, side_px: int) -> Iterator[tuple[Any, ...]]:
    """Yields lines for CSV of means without intervals, with their gains over the row `over`."""
    for method, figures in rows.items():
        for key, value in figures.items():
            yield table, method, fault, side_px, key, value, None, None, value - rows[over][key], None, None


def format_gain(gain: MeanInterval, digits: int, *, with_interval: bool) -> str:
    """Formats a mean gain, with half the width of its interval where that is asked for."""
    text = f"{gain.mean:+.{digits}f}"
    return f"{text} ±{gain.half_width:.{digits}f}" if with_interval else text


def interval_cells(mean: MeanInterval) -> tuple[float, float, float]:
    """Returns a mean and the ends of its interval."""
    return mean.mean, mean.low, mean.high


def format_cost(row: MethodResult) -> tuple[str, str, str]:
    """Formats parameters, GFLOPs and ms of a face."""
    count = row.method.parameters
    return f"{count / 1e6:.2f} M" if count else NO_VALUE, f"{row.gflops:.1f}" if count else NO_VALUE, f"{row.ms:.1f}"


def unavailable_notes(columns: list[MetricColumn]) -> list[str]:
    """Explains the columns that could not be measured."""
    return [f"{column.title} not available: {column.unavailable}" for column in columns if column.measure is None]


def published_lines(columns: list[MetricColumn]) -> Iterator[tuple[str, ...]]:
    """Yields the paper's lines of the quality table."""
    for name, methods in PUBLISHED.items():
        for method, figures in methods.items():
            cells: list[str] = []
            for column in columns:
                gain = f"{figures[column.key] - methods[PUBLISHED_BICUBIC][column.key]:+.{column.digits}f}"
                cells += [f"{figures[column.key]:.{column.digits}f}", NO_VALUE if method == PUBLISHED_BICUBIC else gain]
            yield f"paper, {name}: {method}", *cells


def curve_table(curve: list[CurvePoint], columns: list[MetricColumn]) -> Table:
    """Tabulates one degradation: PSNR of every row, and our gain over bicubic in LPIPS; a terminal has no room for SSIM."""
    ours = curve[0].our_row
    perceptual = [column for column in columns if column.key == "lpips" and column.key in curve[0].rows[ours]]
    head = (">crop, px", *(f">{row}" for row in curve[0].rows), *(f">{column.title} gain" for column in perceptual))
    lines = [
        (
            f"{point.side_px}",
            *(f"{figures['psnr_db']:.2f}" for figures in point.rows.values()),
            *(f"{point.rows[ours][c.key] - point.rows[BICUBIC][c.key]:+.{c.digits}f}" for c in perceptual),
        )
        for point in curve
    ]
    title = f"PSNR in dB at 128 px over the size of the crop in the photo, {curve[0].fault}, {curve[0].faces} faces"
    return Table(title, head, lines, [f"gains: of {ours} over bicubic"] if perceptual else [])
