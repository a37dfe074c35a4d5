"""The faces of a run: where they are, and whether validation is on faces that training never sees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from models.protocol import network_input

from ..errors import LaaError, UsageError
from ..faceset.hashing import find_duplicates, perceptual_hashes
from ..faceset.reading import HR_FACE_PX, STORED_FACE_PX, names_in, read_faces

MANIFEST, UNFINISHED, HELD_OUT = "manifest.csv", "unfinished", "val.tar"  # as `laa prepare` names them


@dataclass(frozen=True)
class Faces:
    """`training`: (n, 3, 144, 144), `validation`: (m, 3, 128, 128), both uint8 RGB."""

    training: Tensor
    validation: Tensor


def read(data: list[Path], held_out: Path | None) -> Faces:
    """Reads the faces of folders and tar files, or of folders that `laa prepare` made. Raises LaaError."""
    sources = [source for path in data for source in shards_of(path)]
    validation = held_out_of(data, held_out)
    faces = Faces(read_faces(sources, STORED_FACE_PX), read_faces(validation, HR_FACE_PX))
    refuse_overlap(faces, sources, validation)
    return faces


def shards_of(path: Path) -> list[Path]:
    """The training shards of a prepared folder, by number; any other source as it is."""
    if (path / UNFINISHED).is_dir():
        raise LaaError(f"{path} is not finished: repeat the `laa prepare` that began it")
    if not (path / MANIFEST).is_file():
        return [path]
    return sorted(path.glob("train-*.tar"), key=lambda shard: (len(shard.name), shard.name))


def held_out_of(data: list[Path], held_out: Path | None) -> list[Path]:
    """The validation faces: those asked for, or those of the prepared folders."""
    if held_out is not None:
        return [held_out / HELD_OUT if (held_out / MANIFEST).is_file() else held_out]
    found = [path / HELD_OUT for path in data if (path / MANIFEST).is_file() and (path / HELD_OUT).is_file()]
    if not found:
        raise UsageError("there are no faces for validation: give some with --validation, or a folder of `laa prepare`")
    return found


def refuse_overlap(faces: Faces, sources: list[Path], validation: list[Path]) -> None:
    """LaaError where validation faces are training faces too, even in another size or coding."""
    pairs = find_duplicates(perceptual_hashes(faces.validation), perceptual_hashes(faces.training))
    if pairs:
        place, other = pairs[0]
        count = len({place for place, _ in pairs})
        example = f"{names_in(validation)[place]} is like {names_in(sources)[other]}"
        raise LaaError(f"{count} of {len(faces.validation)} validation faces are among the training faces: {example}")


@dataclass(frozen=True)
class Samples:
    """A training batch: high-resolution faces `truth`, (n, 3, 128, 128) RGB in [0, 1], and a crop of each, (3, e, e), any e.

    `back_projected`: whether a face should also be right once it is back-projected onto its crop, which only helps where
    the crop is nothing but the face reduced by the protocol's kernel.
    """

    truth: Tensor
    crops: list[Tensor]
    back_projected: list[bool]

    def network_inputs(self) -> Tensor:
        """Enlarges the crops to what a network takes, (n, 3, 128, 128)."""
        return torch.cat([network_input(crop[None]) for crop in self.crops])

    def shard(self, rank: int, world_size: int) -> Samples:
        """Takes the slice of the batch that belongs to one of `world_size` processes or threads."""
        if world_size == 1:
            return self
        count = len(self.truth) // world_size
        part = slice(rank * count, (rank + 1) * count)
        return Samples(self.truth[part], self.crops[part], self.back_projected[part])
