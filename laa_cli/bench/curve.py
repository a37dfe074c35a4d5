"""Restored faces against the size of the face in the photo, and against the photo's faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from models.checkpoint import PROTOCOL_WEIGHTS
from models.protocol import network_input, reduce

from ..project import true_to_photo
from ..restore import Restorer
from .conditions import in_photo
from .methods import BATCH, Restore, in_full, projected
from .perceptual import Metric

THROUGH_16 = PROTOCOL_WEIGHTS  # what the row of that name is made with, whatever laa ships or is given


@dataclass(frozen=True)
class Point:
    """Mean figures, {row: {metric: value}}, of faces whose crop measures `side_px` in a photo with a fault."""

    fault: str
    side_px: int
    faces: int
    rows: dict[str, dict[str, float]]


def rows(restorers: dict[str, Restorer], through_16: Restorer) -> dict[str, Restore]:
    """What is compared: two baselines, laa's first way through 16x16 whatever the photo shows, and what `upscale` does."""
    fixed: dict[str, Restore] = {
        "bicubic": network_input,
        "back-projection": projected,
        "through 16x16": lambda crops: true_to_photo(through_16.alone(reduce(crops)), crops),
    }
    return fixed | {name: in_full(restorer) for name, restorer in restorers.items()}


def points(
    restore: dict[str, Restore], faces: Tensor, conditions: list[tuple[str, int]], metrics: list[tuple[str, Metric]]
) -> Iterator[Point]:
    """Measures each pair of fault and size. `faces`: (n, 3, 128, 128) uint8 RGB, the truth."""
    for fault, side_px in conditions:
        yield Point(fault, side_px, len(faces), measure(restore, faces, fault, side_px, metrics))


@torch.inference_mode()
def measure(
    restore: dict[str, Restore], faces: Tensor, fault: str, side_px: int, metrics: list[tuple[str, Metric]]
) -> dict[str, dict[str, float]]:
    """The means under one condition."""
    sums = {row: dict.fromkeys((key for key, _ in metrics), 0.0) for row in restore}
    for part in faces.split(BATCH):
        truth = part.float().div(255)
        crops = in_photo(truth, side_px, fault)
        for row, function in restore.items():
            output = function(crops)
            for key, metric in metrics:
                sums[row][key] += metric(output, truth).sum().item()
    return {row: {key: value / len(faces) for key, value in figures.items()} for row, figures in sums.items()}
