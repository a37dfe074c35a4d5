"""Training samples whose crops, of all sizes, lie on canvases, so that a step works on all of them at once."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ..restore.back_projection import ITERATIONS
from .batched_corruptions import CorruptionParameters, corrupt_batch
from .resize_matrices import PROTOCOL_KERNEL, enlargement_matrices, reduction_matrices, resample_squares


@dataclass(frozen=True)
class CanvasSamples:
    """A training batch as `FaceSamples` is one, but on canvases: see `resize_matrices`.

    `truth`, `enlarged`: (n, 3, 128, 128), `canvases`: (n, 3, c, c), RGB in [0, 1]; `sides`: of the crops, px, (n,) int64;
    `back_projected`: (n,) bool.
    """

    truth: Tensor
    canvases: Tensor
    sides: Tensor
    back_projected: Tensor
    enlarged: Tensor

    def network_inputs(self) -> tuple[Tensor]:
        """Returns the enlarged crops, (n, 3, 128, 128); made beforehand, where no autocast makes them bfloat16."""
        return (self.enlarged,)

    def shard(self, rank: int, world_size: int) -> CanvasSamples:
        """Takes the slice of the batch that belongs to one of `world_size` processes or threads."""
        count = len(self.truth) // world_size
        part = slice(rank * count, (rank + 1) * count)
        return CanvasSamples(*(getattr(self, field.name)[part] for field in fields(self)))


def make_canvas_samples(truth: Tensor, chosen: CorruptionParameters) -> CanvasSamples:
    """Corrupts faces (n, 3, 128, 128) RGB in [0, 1]; clean crops are to be back-projected."""
    canvases = corrupt_batch(truth, chosen)
    return CanvasSamples(truth, canvases, chosen.sides, chosen.clean, enlarge(canvases, chosen.sides))


def enlarge(canvases: Tensor, sides: Tensor) -> Tensor:
    """Enlarges crops on canvases (n, 3, c, c) to what a network takes, (n, 3, 128, 128) in [0, 1]."""
    return resample_squares(enlargement_matrices(sides, canvases.shape[-1]), canvases).clamp(0, 1)


def back_project_canvases(faces: Tensor, canvases: Tensor, sides: Tensor) -> Tensor:
    """Applies `back_project` to faces (n, 3, 128, 128) with crops on canvases (n, 3, c, c): (n, 3, 128, 128) in [0, 1].

    All is linear up to the end, so the corrections are summed at the crops' resolution and enlarged once.
    """
    canvas = canvases.shape[-1]
    reduction = reduction_matrices(sides, torch.full_like(sides, PROTOCOL_KERNEL), canvas)
    enlargement = enlargement_matrices(sides, canvas)
    there_and_back = reduction @ enlargement
    difference = canvases - resample_squares(reduction, faces)
    total = difference
    for _ in range(ITERATIONS - 1):
        difference = difference - resample_squares(there_and_back, difference)
        total = total + difference
    return (faces + resample_squares(enlargement, total)).clamp(0, 1)
