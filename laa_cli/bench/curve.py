"""Restored faces against the size of the face in the photo, and against the photo's faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from models.checkpoint import PROTOCOL_WEIGHTS
from models.protocol import network_input, reduce

from ..project import back_project
from ..restore import NetworkRestorer
from .conditions import degrade
from .methods import BATCH, Restore, as_method, back_project_bicubic
from .perceptual import Metric

THROUGH_16 = PROTOCOL_WEIGHTS  # what the row of that name is made with, whatever laa ships or is given


@dataclass(frozen=True)
class CurvePoint:
    """Mean figures, {row: {metric: value}}, of faces whose crop measures `side_px` in a photo with a fault."""

    fault: str
    side_px: int
    faces: int
    rows: dict[str, dict[str, float]]


def methods_at_any_size(restorers: dict[str, NetworkRestorer], through_16: NetworkRestorer) -> dict[str, Restore]:
    """What is compared: two baselines, laa's first way through 16x16 whatever the photo shows, and what `upscale` does."""
    fixed: dict[str, Restore] = {
        "bicubic": network_input,
        "back-projection": back_project_bicubic,
        "through 16x16": lambda crops: back_project(through_16.network_only(reduce(crops)), crops),
    }
    return fixed | {name: as_method(restorer) for name, restorer in restorers.items()}


def measure_curve(
    restore: dict[str, Restore], faces: Tensor, conditions: list[tuple[str, int]], metrics: list[tuple[str, Metric]]
) -> Iterator[CurvePoint]:
    """Measures each pair of fault and size. `faces`: (n, 3, 128, 128) uint8 RGB, the truth."""
    for fault, side_px in conditions:
        yield CurvePoint(fault, side_px, len(faces), measure_point(restore, faces, fault, side_px, metrics))


@torch.inference_mode()
def measure_point(
    restore: dict[str, Restore], faces: Tensor, fault: str, side_px: int, metrics: list[tuple[str, Metric]]
) -> dict[str, dict[str, float]]:
    """The means under one condition."""
    sums = {row: dict.fromkeys((key for key, _ in metrics), 0.0) for row in restore}
    for part in faces.split(BATCH):
        truth = part.float().div(255)
        crops = degrade(truth, side_px, fault)
        for row, function in restore.items():
            output = function(crops)
            for key, metric in metrics:
                sums[row][key] += metric(output, truth).sum().item()
    return {row: {key: value / len(faces) for key, value in figures.items()} for row, figures in sums.items()}
