"""Loads the faces of a training run, for training and for validation, checked to have none in common; and their samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from models.protocol import network_input

from ..errors import LaaError, UsageError
from ..faceset.format import (
    TRAINING_FACE_PX,
    VALIDATION_FACE_PX,
    has_validation_faces,
    list_names,
    read_faces,
    training_sources,
    validation_source,
)
from ..faceset.hashing import find_duplicates, perceptual_hashes
from .training_task import Splits


@dataclass(frozen=True)
class FaceSamples:
    """A training batch: high-resolution faces `truth`, (n, 3, 128, 128) RGB in [0, 1], and a crop of each, (3, e, e), any e.

    `back_projected`: whether a face should also be right once it is back-projected onto its crop, which only helps where
    the crop is nothing but the face reduced by the protocol's kernel.
    """

    truth: Tensor
    crops: list[Tensor]
    back_projected: list[bool]

    def network_inputs(self) -> tuple[Tensor]:
        """Enlarges the crops to what a network takes, (n, 3, 128, 128)."""
        return (torch.cat([network_input(crop[None]) for crop in self.crops]),)

    def shard(self, rank: int, world_size: int) -> FaceSamples:
        """Takes the slice of the batch that belongs to one of `world_size` processes or threads."""
        if world_size == 1:
            return self
        count = len(self.truth) // world_size
        part = slice(rank * count, (rank + 1) * count)
        return FaceSamples(self.truth[part], self.crops[part], self.back_projected[part])


def read_splits(data: list[Path], validation: Path | None) -> Splits:
    """Reads the faces of folders and tar files, or of face sets that `laa prepare` made.

    `validation`: the validation faces; None takes those of the face sets in `data`. Returns (n, 3, 144, 144) and
    (m, 3, 128, 128), both uint8 RGB. LaaError, also for faces in both splits.
    """
    training_paths = [source for path in data for source in training_sources(path)]
    validation_paths = choose_validation_sources(data, validation)
    faces = Splits(read_faces(training_paths, TRAINING_FACE_PX), read_faces(validation_paths, VALIDATION_FACE_PX))
    check_no_overlap(faces, training_paths, validation_paths)
    return faces


def choose_validation_sources(data: list[Path], validation: Path | None) -> list[Path]:
    """Chooses the validation faces that were asked for, or else those of the face sets. UsageError where there are none."""
    sources = [validation] if validation is not None else [path for path in data if has_validation_faces(path)]
    if not sources:
        raise UsageError("there are no faces for validation: give some with --validation, or a folder of `laa prepare`")
    return [validation_source(path) for path in sources]


def check_no_overlap(faces: Splits, training: list[Path], validation: list[Path]) -> None:
    """Raises LaaError where validation faces are training faces too, even in another size or coding."""
    pairs = find_duplicates(perceptual_hashes(faces.validation), perceptual_hashes(faces.training))
    if pairs:
        index, other = pairs[0]
        count = len({index for index, _ in pairs})
        example = f"{list_names(validation)[index]} is like {list_names(training)[other]}"
        raise LaaError(f"{count} of {len(faces.validation)} validation faces are among the training faces: {example}")
