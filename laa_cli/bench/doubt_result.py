"""The result of `laa bench doubt` as a table, JSON and CSV: how often the truth is within the error bars."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from ..restore.doubt_features import COVERAGE
from ..utils.hardware import MachineInfo, machine_line
from .data import BenchFaces
from .evaluate import MeanInterval, bootstrap_mean
from .table import Table, format_csv

TOLERANCE = 0.02  # on the coverage
MARK = "!"  # beside a coverage that is further off
ALL = "all"


@dataclass(frozen=True)
class DoubtCell:
    """Faces of one size under one degradation (`fault`): figures of each face, (n,) float64, the error bars' in levels of 255.

    `coverage`: the share of R, G and B of all pixels that are within the error bars. `half_width`, `error`: means over the
    pixels, the error's also over R, G and B. `correlation`: Spearman's, of the two over the face's pixels;
    `pooled_correlation`: over those of all faces.
    """

    fault: str
    side_px: int
    coverage: Tensor
    half_width: Tensor
    error: Tensor
    correlation: Tensor
    pooled_correlation: float

    def record(self) -> dict[str, Any]:
        """Returns the cell's part of the record for `--json`."""
        return {"fault": self.fault, "crop_px": self.side_px, "faces": len(self.coverage), **mean_figures([self])} | {
            "pooled_correlation": self.pooled_correlation
        }

    def describe(self) -> str:
        """Formats the cell as one line."""
        found = mean_figures([self])
        return (
            f"{self.fault} {self.side_px} px: coverage {100 * found['coverage']['mean']:.1f} %, half width "
            f"{found['half_width']:.1f}, error {found['error']:.1f} levels, rank correlation {self.pooled_correlation:.3f}"
        )


@dataclass(frozen=True)
class DoubtResult:
    """The figures of all cells. `pooled_correlation`: of the pixels of all of them."""

    faces: BenchFaces
    weights: str
    device: str
    machine: MachineInfo
    cells: list[DoubtCell]
    pooled_correlation: float

    def tables(self) -> list[Table]:
        """Returns every table."""
        head = ("fault", ">crop, px", ">coverage, %", ">half width", ">error", ">rank corr.", ">in a face")
        lines = [
            (cell.fault, str(cell.side_px), *format_cells(mean_figures([cell]), cell.pooled_correlation)) for cell in self.cells
        ]
        lines.append((ALL, "", *format_cells(mean_figures(self.cells), self.pooled_correlation)))
        notes = [
            f"coverage: of R, G and B of all 128x128 pixels, how many are within the error bars of {COVERAGE:.0%}; ±: half the "
            f"95 % confidence interval, bootstrap over faces; {MARK}: more than {TOLERANCE:.0%} off",
            "half width of the error bars and absolute error: means, levels of 255; rank correlation of the two: Spearman's, "
            "over the pixels of all faces, and the mean of that over the pixels of each face",
            f"weights {self.weights}, on {self.device}",
            machine_line(self.machine),
        ]
        return [Table(f"{self.faces}: error bars of restored faces", head, lines, notes)]

    def record(self) -> dict[str, Any]:
        """Returns the record for `--json`."""
        return {
            "data": str(self.faces.source),
            "faces": len(self.faces.faces),
            "left_out": self.faces.left_out,
            "weights": self.weights,
            "device": self.device,
            "machine": self.machine,
            "nominal_coverage": COVERAGE,
            "cells": [cell.record() for cell in self.cells],
            ALL: mean_figures(self.cells) | {"pooled_correlation": self.pooled_correlation},
        }

    def csv(self) -> str:
        """Formats the result for `--csv`: a line for each cell, and one for all."""
        rows = [csv_row(cell.fault, cell.side_px, mean_figures([cell]), cell.pooled_correlation) for cell in self.cells]
        return format_csv([*rows, csv_row(ALL, "", mean_figures(self.cells), self.pooled_correlation)])


def mean_figures(cells: list[DoubtCell]) -> dict[str, Any]:
    """Computes the figures of cells together: means over the faces, each of which is in every cell."""
    by_face = torch.stack([torch.stack([c.coverage, c.half_width, c.error, c.correlation]) for c in cells]).mean(0)
    coverage = bootstrap_mean(by_face[0])
    _, half_width, error, correlation = by_face.mean(1).tolist()
    return {"coverage": asdict(coverage), "half_width": half_width, "error": error, "correlation": correlation}


def format_cells(found: dict[str, Any], pooled_correlation: float) -> tuple[str, ...]:
    """Formats figures for the table; a coverage that is too far off is marked."""
    coverage = MeanInterval(**found["coverage"])
    mark = f" {MARK}" if abs(coverage.mean - COVERAGE) > TOLERANCE else ""
    share = f"{100 * coverage.mean:.1f} ±{100 * coverage.half_width:.1f}{mark}"
    correlations = (f"{pooled_correlation:.3f}", f"{found['correlation']:.3f}")
    return share, f"{found['half_width']:.1f}", f"{found['error']:.1f}", *correlations


def csv_row(fault: str, side_px: int | str, found: dict[str, Any], pooled_correlation: float) -> dict[str, Any]:
    """Returns a line for CSV."""
    coverage = found["coverage"]
    return {
        "fault": fault,
        "crop_px": side_px,
        "coverage": coverage["mean"],
        "coverage_low": coverage["low"],
        "coverage_high": coverage["high"],
        "half_width": found["half_width"],
        "error": found["error"],
        "rank_correlation": pooled_correlation,
        "rank_correlation_in_a_face": found["correlation"],
    }


def rank_correlation(first: Tensor, second: Tensor) -> float:
    """Computes Spearman's rank correlation of two tensors (n,); 0 where one of them has a single value."""
    ranks = torch.stack([average_ranks(first), average_ranks(second)])
    centred = ranks - ranks.mean(1, keepdim=True)
    scale = centred.square().sum(1).prod().sqrt()
    return (centred.prod(0).sum() / scale).item() if scale > 0 else 0.0


def average_ranks(values: Tensor) -> Tensor:
    """Computes ranks of (n,) values, float64; equal ones share the mean of theirs."""
    _, inverse, counts = values.unique(return_inverse=True, return_counts=True)
    counts = counts.double()
    return (counts.cumsum(0) - (counts - 1) / 2)[inverse]
