"""Loads the data of a training run: training and validation faces, checked to have none in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ..errors import Exit, LaaError
from ..faceset.format import TRAINING_FACE_PX, VALIDATION_FACE_PX
from ..faceset.hashing import find_duplicates, perceptual_hashes
from ..faceset.reading import has_validation_faces, list_names, read_faces, training_sources, validation_source


@dataclass(frozen=True)
class Faces:
    """The two splits. `training`: (n, 3, 144, 144), `validation`: (m, 3, 128, 128), both uint8 RGB."""

    training: Tensor
    validation: Tensor


def read(data: list[Path], held_out: Path | None) -> Faces:
    """Reads the faces of folders and tar files, or of face sets that `laa prepare` made.

    `held_out`: the validation faces; None takes those of the face sets in `data`. LaaError, also for faces in both splits.
    """
    training = [source for path in data for source in training_sources(path)]
    validation = choose_validation_sources(data, held_out)
    faces = Faces(read_faces(training, TRAINING_FACE_PX), read_faces(validation, VALIDATION_FACE_PX))
    check_no_overlap(faces, training, validation)
    return faces


def choose_validation_sources(data: list[Path], held_out: Path | None) -> list[Path]:
    """Chooses the validation faces that were asked for, or else those of the face sets. LaaError where there are none."""
    sources = [held_out] if held_out is not None else [path for path in data if has_validation_faces(path)]
    if not sources:
        raise LaaError(
            "there are no faces for validation: give some with --validation, or a folder of `laa prepare`", Exit.USAGE
        )
    return [validation_source(path) for path in sources]


def check_no_overlap(faces: Faces, training: list[Path], validation: list[Path]) -> None:
    """Raises LaaError where validation faces are training faces too, even in another size or coding."""
    pairs = find_duplicates(perceptual_hashes(faces.validation), perceptual_hashes(faces.training))
    if pairs:
        index, other = pairs[0]
        count = len({index for index, _ in pairs})
        example = f"{list_names(validation)[index]} is like {list_names(training)[other]}"
        raise LaaError(f"{count} of {len(faces.validation)} validation faces are among the training faces: {example}")
