"""Faces of known persons, decoded when they are asked for, and no photo twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.protocol import HR_SIZE

from ..console import Screen
from ..faceset.format import TRAINING_FACE_PX, encoded_pictures
from ..faceset.hashing import find_duplicates, perceptual_hashes
from .data import RGB, BenchFaces, crop_faces, crop_to_face

MARGIN_PX = (TRAINING_FACE_PX - HR_SIZE) // 2


def read_contents(sources: list[Path], names: set[str]) -> dict[str, bytes]:
    """Reads the files of these pictures by name."""
    return {name: content for source in sources for name, content in encoded_pictures(source) if name in names}


def crop_known_face(picture: RGB) -> list[Tensor]:
    """A Cropper for pictures that are crops of faces: of a stored training face the middle, which is the protocol's crop."""
    if picture.shape[:2] == (TRAINING_FACE_PX, TRAINING_FACE_PX):
        picture = picture[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    return crop_to_face(picture)


class DistinctFaces:
    """The faces that were accepted, by name. `left_out`: why each that could not be used is missing.

    `repeated`: how many were the same photo as one before, perhaps in another size or coding.
    """

    def __init__(self, contents: dict[str, bytes], screen: Screen) -> None:
        self.contents = contents
        self.screen = screen
        self.faces: dict[str, Tensor] = {}
        self.hashes = np.zeros((0, 4), np.uint64)
        self.repeated = 0
        self.result = BenchFaces(Path(), torch.empty(0), [])

    @property
    def left_out(self) -> list[str]:
        """Why each picture that could not be used is missing."""
        return self.result.left_out

    def accept(self, name: str) -> bool:
        """Decodes a face and keeps it, unless it cannot be used or is the same photo as one before."""
        faces = crop_faces(name, self.contents.pop(name), crop_known_face, self.result, self.screen)
        if not faces:
            return False
        found = perceptual_hashes(faces[0][None])
        if find_duplicates(found, self.hashes):
            self.repeated += 1
            return False
        self.hashes = np.concatenate([self.hashes, found])
        self.faces[name] = faces[0]
        return True

    def stack(self, names: list[str]) -> Tensor:
        """Stacks accepted faces: (n, 3, 128, 128) RGB in [0, 1]."""
        return torch.stack([self.faces[name] for name in names]).float().div(255)
