"""What `laa bench faces` found, as tables for people and as records for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ..utils.hardware import machine_line
from .data import BenchFaces
from .evaluate import MeanInterval, MethodResult
from .perceptual import Column
from .size_curve import CurvePoint
from .table import Table, csv_text

NOTHING = "-"
PAPER = "paper: as published, from its own faces and training; only gains can be compared."


@dataclass(frozen=True)
class FacesResult:
    """Rows in the order of the table, bicubic first; the curve may be empty."""

    faces: BenchFaces
    device: str
    machine: dict[str, Any]
    columns: list[Column]
    rows: list[MethodResult]
    curve: list[CurvePoint]

    @property
    def bicubic(self) -> MethodResult:
        """What every gain is over."""
        return self.rows[0]

    @property
    def ours(self) -> MethodResult:
        """What `upscale` does, by which faces are chosen for the sheet."""
        return next(row for row in self.rows if row.method.kind == "upscale")

    def tables(self) -> list[Table]:
        """All of it."""
        faults = dict.fromkeys(point.fault for point in self.curve)
        curves = [curve_table([point for point in self.curve if point.fault == fault], self.columns) for fault in faults]
        return [self.quality(), self.cost(), *curves]

    def quality(self) -> Table:
        """The metrics with gains, ours and the paper's."""
        columns = [column for column in self.columns if column.gains]
        head = [(f">{column.title}", ">gain") for column in columns]
        lines = [(row.method.name, *(cell for c in columns for cell in self.measured(row, c))) for row in self.rows]
        lines += list(published_lines(columns))
        notes = [f"gain: over bicubic on the same faces; ±: half the 95 % confidence interval, bootstrap over faces. {PAPER}"]
        notes += [f"{column.title} not available: {column.why}" for column in columns if column.measure is None]
        return Table(f"{self.faces}, 16 to 128 px; PSNR (dB) and SSIM on Y", ("method", *sum(head, ())), lines, notes)

    def measured(self, row: MethodResult, column: Column) -> tuple[str, str]:
        """The cells of a metric."""
        if column.measure is None:
            return "n/a", NOTHING
        value = f"{row.mean(column.key).mean:.{column.digits}f}"
        if row is self.bicubic:
            return value, NOTHING
        gain = row.gain(column.key, self.bicubic)
        shown = f"{gain.mean:+.{column.digits}f}"
        if column.key == "psnr_db" and len(self.faces.faces) > 1:  # a terminal has no room for more
            shown += f" ±{gain.half_width:.{column.digits}f}"
        return value, shown

    def cost(self) -> Table:
        """The other metrics, and what a face costs."""
        columns = [column for column in self.columns if not column.gains]
        head = ("method", *(f">{c.title}" for c in columns), ">parameters", ">GFLOPs", ">ms per face")
        lines = [(row.method.name, *(self.measured(row, c)[0] for c in columns), *cost_cells(row)) for row in self.rows]
        notes = [f"{column.title} not available: {column.why}" for column in columns if column.measure is None]
        notes.append(f"GFLOPs: of one face, two for a multiplication and its addition; ms: median, on {self.device}")
        notes.append("; ".join(f"{row.method.name}: {row.method.note}" for row in self.rows if row.method.note))
        notes.append(machine_line(self.machine))
        return Table("Truth to the photo, and cost", head, lines, notes)

    def record(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "data": str(self.faces.source),
            "faces": len(self.faces.faces),
            "left_out": self.faces.left_out,
            "device": self.device,
            "machine": self.machine,
            "methods": [self.method_record(row) for row in self.rows],
            "not_available": {column.key: column.why for column in self.columns if column.measure is None},
            "published": PUBLISHED,
            "curve": [asdict(point) for point in self.curve],
        }

    def method_record(self, row: MethodResult) -> dict[str, Any]:
        """One row of it."""
        method = row.method
        metrics = {key: asdict(row.mean(key)) | {"gain": asdict(row.gain(key, self.bicubic))} for key in row.figures}
        cost = {"parameters": method.parameters, "gflops": row.gflops, "ms_per_face": row.ms}
        return {"name": method.name, "note": method.note, **cost, "metrics": metrics}

    def csv(self) -> str:
        """For `--csv`: a line for each figure."""
        names = ("table", "method", "fault", "crop_px", "metric", "value", "low", "high", "gain", "gain_low", "gain_high")
        return csv_text([dict(zip(names, line, strict=True)) for line in self.csv_lines()])

    def csv_lines(self) -> Iterator[tuple[Any, ...]]:
        """Its lines."""
        for row in self.rows:
            start = ("measured", row.method.name, "clean", 16)
            for key in row.figures:
                yield *start, key, *of(row.mean(key)), *of(row.gain(key, self.bicubic))
            for key, value in (("parameters", row.method.parameters), ("gflops", row.gflops), ("ms_per_face", row.ms)):
                yield *start, key, value, *[None] * 5
        for name, methods in PUBLISHED.items():
            yield from gain_lines(methods, "Bicubic", f"published, {name}", "clean", 16)
        for point in self.curve:
            yield from gain_lines(point.rows, "bicubic", "curve", point.fault, point.side_px)


def gain_lines(rows: dict[str, dict[str, float]], over: str, table: str, fault: str, side_px: int) -> Iterator[tuple[Any, ...]]:
    """Lines for CSV of figures without intervals."""
    for method, figures in rows.items():
        for key, value in figures.items():
            yield table, method, fault, side_px, key, value, None, None, value - rows[over][key], None, None


def of(mean: MeanInterval) -> tuple[float, float, float]:
    """A mean as cells."""
    return mean.mean, mean.low, mean.high


def cost_cells(row: MethodResult) -> tuple[str, str, str]:
    """Parameters, GFLOPs and ms."""
    count = row.method.parameters
    return f"{count / 1e6:.2f} M" if count else NOTHING, f"{row.gflops:.1f}" if count else NOTHING, f"{row.ms:.1f}"


def published_lines(columns: list[Column]) -> Iterator[tuple[str, ...]]:
    """The paper's rows."""
    for name, methods in PUBLISHED.items():
        for method, figures in methods.items():
            cells: list[str] = []
            for column in columns:
                gain = figures[column.key] - methods["Bicubic"][column.key]
                first = method == "Bicubic"
                cells += [f"{figures[column.key]:.{column.digits}f}", NOTHING if first else f"{gain:+.{column.digits}f}"]
            yield f"paper, {name}: {method}", *cells


def curve_table(curve: list[CurvePoint], columns: list[Column]) -> Table:
    """Of one fault: PSNR of every row, and laa's gain over bicubic in LPIPS; a terminal has no room for SSIM."""
    rows = list(curve[0].rows)
    laa = rows[-1]
    others = [column for column in columns if column.key == "lpips" and column.key in curve[0].rows[laa]]
    head = (">crop, px", *(f">{row}" for row in rows), *(f">{column.title} gain" for column in others))
    lines = [
        (
            f"{point.side_px}",
            *(f"{figures['psnr_db']:.2f}" for figures in point.rows.values()),
            *(f"{point.rows[laa][c.key] - point.rows['bicubic'][c.key]:+.{c.digits}f}" for c in others),
        )
        for point in curve
    ]
    title = f"PSNR in dB at 128 px over the size of the crop in the photo, {curve[0].fault}, {curve[0].faces} faces"
    return Table(title, head, lines, [f"gains: of {laa} over bicubic"] if others else [])


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
