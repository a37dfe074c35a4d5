"""Quality over the size of the face in the photo, clean and under degradations (JPEG, noise, blur): measured and drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.protocol import network_input, reduce

from ..restore.back_projection import back_project
from ..restore.restorer import NetworkRestorer
from ..utils.plotting import figure_to_png, load_figure_class
from ..utils.text import printable
from .degradation import Degradation, Levels, degrade_picture, find_degradation, to_uint8
from .evaluate import BACK_PROJECTION, BATCH, BICUBIC, Restore, back_project_bicubic, restore_batches
from .perceptual import Metric

FACE_SIZES_PX = (12, 16, 20, 24, 32, 48, 64, 96)  # sides of the crop in the photo
BASELINES = (BICUBIC, BACK_PROJECTION, "through 16x16")
PLOT_DPI = 110
COLOURS = ("#888888", "#444444", "#d08000", "#0077bb", "#00aa77", "#cc3377")


@dataclass(frozen=True)
class CurvePoint:
    """Mean figures, {row: {metric: value}}, of faces whose crop measures `side_px` in a photo with a degradation (`fault`)."""

    fault: str
    side_px: int
    faces: int
    rows: dict[str, dict[str, float]]

    @property
    def our_row(self) -> str:
        """The row of `upscale`; with several weights, of those that were given last."""
        return [row for row in self.rows if row not in BASELINES][-1]


def methods_at_any_size(restorers: dict[str, NetworkRestorer], through_16: NetworkRestorer) -> dict[str, Restore]:
    """Returns the methods that take crops of any size, by row: the baselines, then what `upscale` does.

    The last baseline takes every crop through 16x16, whatever its size, by the network of `through_16`.
    """

    def restore_through_16(crops: Tensor) -> Tensor:
        return back_project(through_16.network_only(reduce(crops)), crops)

    methods: dict[str, Restore] = dict(zip(BASELINES, (network_input, back_project_bicubic, restore_through_16), strict=True))
    return methods | {name: restore_batches(restorer) for name, restorer in restorers.items()}


def measure_curve(
    methods: dict[str, Restore], faces: Tensor, points: list[tuple[str, int]], metrics: list[tuple[str, Metric]]
) -> Iterator[CurvePoint]:
    """Measures each pair of degradation and size. `faces`: (n, 3, 128, 128) uint8 RGB, the truth."""
    for fault, side_px in points:
        yield CurvePoint(fault, side_px, len(faces), measure_point(methods, faces, fault, side_px, metrics))


@torch.inference_mode()
def measure_point(
    methods: dict[str, Restore], faces: Tensor, fault: str, side_px: int, metrics: list[tuple[str, Metric]]
) -> dict[str, dict[str, float]]:
    """Computes the mean of each metric for each method, at one size and under one degradation."""
    sums = {row: dict.fromkeys((key for key, _ in metrics), 0.0) for row in methods}
    for part in faces.split(BATCH):
        truth = part.float().div(255)
        crops = degrade(truth, side_px, fault)
        for row, restore in methods.items():
            output = restore(crops)
            for key, metric in metrics:
                sums[row][key] += metric(output, truth).sum().item()
    return {row: {key: value / len(faces) for key, value in figures.items()} for row, figures in sums.items()}


def degrade(truth: Tensor, side_px: int, fault: str, seed: int = 0) -> Tensor:
    """Degrades faces as a photo would: (n, 3, 128, 128) RGB in [0, 1] -> (n, 3, side, side), 8-bit levels in [0, 1].

    The noise of a face follows from its pixels, its size and the seed, not from its place in the batch.
    UsageError on a name that is not in DEGRADATIONS.
    """
    degradation = find_degradation(fault)
    levels = np.stack([degrade_face(face, side_px, degradation, seed) for face in truth])
    return torch.from_numpy(levels).permute(0, 3, 1, 2).float().div(255)


def degrade_face(face: Tensor, side_px: int, degradation: Degradation, seed: int) -> Levels:
    """Degrades one face: (3, 128, 128) RGB in [0, 1] -> (side, side, 3) uint8 RGB."""
    return degrade_picture(to_uint8(face), (side_px, side_px), degradation, seed)


def curve_png(curve: list[CurvePoint]) -> bytes:
    """Plots PSNR over the size of the crop in the photo, and below it the gain over bicubic; a column for each degradation.

    Returns a PNG file.
    """
    faults = list(dict.fromkeys(point.fault for point in curve))
    figure = load_figure_class()(figsize=(max(5, 3.4 * len(faults)), 6.4), layout="constrained")
    axes = figure.subplots(2, len(faults), sharex=True, sharey="row", squeeze=False)
    for column, fault in enumerate(faults):
        points = [point for point in curve if point.fault == fault]
        plot_psnr(axes[0][column], points, over=None)
        plot_psnr(axes[1][column], points, over=BICUBIC)
        axes[0][column].set_title(f"{fault}, {points[0].faces} faces")
        axes[1][column].set_xlabel("crop in the photo, px")
    axes[0][0].set_ylabel("PSNR on Y at 128 px, dB")
    axes[1][0].set_ylabel("gain over bicubic, dB")
    axes[0][0].legend()
    return figure_to_png(figure, PLOT_DPI)


def plot_psnr(axes: Any, points: list[CurvePoint], over: str | None) -> None:
    """Plots a line for each row into matplotlib's axes, less the row `over`."""
    sizes = [point.side_px for point in points]
    for colour, row in zip(COLOURS * len(points[0].rows), points[0].rows, strict=False):
        values = [point.rows[row]["psnr_db"] - (point.rows[over]["psnr_db"] if over else 0) for point in points]
        axes.plot(sizes, values, ".-", color=colour, label=printable(row).replace("$", r"\$"))  # "$": TeX
    axes.set_xscale("log", base=2)
    axes.set_xticks(FACE_SIZES_PX, [str(size) for size in FACE_SIZES_PX], fontsize=8)
    axes.minorticks_off()
    axes.grid(alpha=0.3)
