"""The result of `laa bench identity` as tables, JSON and CSV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..utils.hardware import MachineInfo, machine_line
from .evaluate import BICUBIC, MeanInterval
from .identity_judges import Judge
from .identity_pairs import Pairs
from .result import NO_VALUE, interval_cells
from .table import Table, format_csv
from .verification import Floats, Scores, accuracy, area_under_curve, interval, person_weights, true_accept_rate

TRUTH = "true crop"
METRICS = ("accuracy", "auc", "tar_at_1_percent_far")
CSV_COLUMNS = ("judge", "crop_px", "method", "metric", "value", "low", "high", "gain", "gain_low", "gain_high")


@dataclass(frozen=True)
class IdentityRow:
    """A method's scores by each judge, of probes whose crop measures `side_px`; TRUTH is the probe as it is."""

    side_px: int
    method: str
    scores: dict[str, Scores]


@dataclass(frozen=True)
class IdentityFigures:
    """A row's figures by one judge, and their gains over bicubic at that size, paired by person; none for bicubic and TRUTH."""

    row: IdentityRow
    values: dict[str, MeanInterval]
    gains: dict[str, MeanInterval]


@dataclass(frozen=True)
class IdentityResult:
    """The rows in the order of the table, of all judges that are at hand."""

    data: tuple[Path, ...]
    table: Path
    pairs: Pairs
    left_out: list[str]
    repeated: int
    machine: MachineInfo
    judges: list[Judge]
    rows: list[IdentityRow]

    def __str__(self) -> str:
        count = len(self.pairs.genuine)
        return f"{count} genuine and {count} impostor pairs of {self.pairs.person_count} persons"

    @cached_property
    def figures(self) -> dict[str, list[IdentityFigures]]:
        """Each judge's figures, a line for each row."""
        resamples = person_weights(self.pairs.persons)
        return {judge.key: self.figures_of(judge.key, resamples) for judge in self.judges if judge.embed is not None}

    def figures_of(self, judge: str, resamples: Floats) -> list[IdentityFigures]:
        """Computes a judge's figures. `resamples`: see `verification`."""
        found = {(row.side_px, row.method): self.measure(row.scores[judge], resamples) for row in self.rows}
        lines = []
        for row in self.rows:
            own, bicubic = found[row.side_px, row.method], found.get((row.side_px, BICUBIC))
            gains = (
                {}
                if bicubic is None or row.method == BICUBIC
                else {key: interval(own[key][0] - bicubic[key][0], own[key][1] - bicubic[key][1]) for key in METRICS}
            )
            lines.append(IdentityFigures(row, {key: interval(*own[key]) for key in METRICS}, gains))
        return lines

    def measure(self, scores: Scores, resamples: Floats) -> dict[str, tuple[Floats, Floats]]:
        """Computes each metric, (1,), and its resamples, (b,)."""
        parts = [np.ones((1, len(self.pairs.genuine))), resamples]
        found = [
            (accuracy(scores, self.pairs.folds, part), area_under_curve(scores, part), true_accept_rate(scores, part))
            for part in parts
        ]
        return dict(zip(METRICS, zip(*found, strict=True), strict=True))

    def tables(self) -> list[Table]:
        """Returns a table for each judge that is at hand."""
        named = [(judge, self.figures[judge.key]) for judge in self.judges if judge.key in self.figures]
        return [self.judge_table(judge, figures, last=judge is named[-1][0]) for judge, figures in named]

    def judge_table(self, judge: Judge, figures: list[IdentityFigures], *, last: bool) -> Table:
        """Tabulates a judge's figures; the notes stand below the last table."""
        head = (">crop, px", "method", ">accuracy", ">over bicubic", ">AUC", ">TAR at 1 % FAR")
        lines = [format_line(line) for line in figures]
        return Table(f"{judge.title}: {self}", head, lines, self.notes() if last else [])

    def notes(self) -> list[str]:
        """Explains the figures."""
        repeated = f"; {self.repeated} photos were left out for being the same as another" if self.repeated else ""
        return [
            "a pair: a true face of 128 px, and another photo, of the same person or of another one, reduced to the crop and "
            f"brought back; genuine pairs of a person: {max(self.pair_counts)} at most{repeated}",
            f"accuracy: in {self.pairs.fold_count} folds without common persons, by the threshold that is best on the others; "
            "TAR: true-accept rate, at 1 % false accepts (FAR); ±: half the 95 % confidence interval, bootstrap over persons",
            *(f"{judge.title} not available: {judge.unavailable}" for judge in self.judges if judge.embed is None),
            machine_line(self.machine),
        ]

    @property
    def pair_counts(self) -> list[int]:
        """How many genuine pairs each person has."""
        return np.unique(self.pairs.persons, return_counts=True)[1].tolist()

    def record(self) -> dict[str, Any]:
        """Returns the record for `--json`."""
        return {
            "data": [str(path) for path in self.data],
            "persons_file": str(self.table),
            "genuine_pairs": len(self.pairs.genuine),
            "impostor_pairs": len(self.pairs.genuine),
            "persons": self.pairs.person_count,
            "folds": self.pairs.fold_count,
            "left_out": self.left_out,
            "repeated": self.repeated,
            "machine": self.machine,
            "judges": {key: [line_record(line) for line in lines] for key, lines in self.figures.items()},
            "not_available": {judge.key: judge.unavailable for judge in self.judges if judge.embed is None},
        }

    def csv(self) -> str:
        """Formats the result for `--csv`: a line for each figure."""
        return format_csv([dict(zip(CSV_COLUMNS, line, strict=True)) for line in self.csv_lines()])

    def csv_lines(self) -> Iterator[tuple[Any, ...]]:
        """Yields the cells of each line, in the order of CSV_COLUMNS."""
        for judge, lines in self.figures.items():
            for line in lines:
                for key, value in line.values.items():
                    gain = interval_cells(line.gains[key]) if line.gains else (None, None, None)
                    yield judge, line.row.side_px, line.row.method, key, *interval_cells(value), *gain


def format_line(line: IdentityFigures) -> tuple[str, ...]:
    """Formats a line of the table, in percent but for the AUC."""
    accuracy_, auc, rate = (line.values[key] for key in METRICS)
    return (
        NO_VALUE if line.row.method == TRUTH else str(line.row.side_px),
        line.row.method,
        format_percent(accuracy_),
        format_percent(line.gains["accuracy"], signed=True) if line.gains else NO_VALUE,
        f"{auc.mean:.4f}",
        f"{100 * rate.mean:.1f} %",
    )


def format_percent(value: MeanInterval, *, signed: bool = False) -> str:
    """Formats a share in percent with half the width of its interval."""
    return f"{100 * value.mean:{'+' if signed else ''}.1f} ±{100 * value.half_width:.1f} %"


def line_record(line: IdentityFigures) -> dict[str, Any]:
    """Returns a line's part of the record."""
    figures = {
        key: asdict(value) | ({"gain": asdict(line.gains[key])} if line.gains else {}) for key, value in line.values.items()
    }
    return {"crop_px": line.row.side_px, "method": line.row.method} | figures
