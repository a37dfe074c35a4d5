"""Tar files of faces, and the table of what is in them; the same faces always give the same bytes."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ..files import write_atomically
from .journal import StoredFace
from .split import TRAIN, VALIDATION

COLUMNS = ("shard", "file", "source", "crop_side_px", "sharpness", "split", "person")
MANIFEST, VALIDATION_SHARD = "manifest.csv", "val.tar"
Placement = tuple[str, str, StoredFace]  # shard, name in it, face


def assign_shards(faces: list[StoredFace], shard_size: int) -> Iterator[Placement]:
    """Where each face goes: `train-0.tar`, `train-1.tar`, ... and `val.tar`."""
    counts = {TRAIN: 0, VALIDATION: 0}
    for face in faces:
        split = face.crop.split
        shard = f"train-{counts[TRAIN] // shard_size}.tar" if split == TRAIN else VALIDATION_SHARD
        yield shard, f"{split}_{counts[split]:06}.{face.crop.suffix}", face
        counts[split] += 1


def write_shards(folder: Path, places: list[Placement], picture: Callable[[StoredFace], bytes]) -> None:
    """Writes the tar files, each whole or not at all. Those of a run that was killed here are written again."""
    for shard in dict.fromkeys(place[0] for place in places):
        files = [(name, picture(face)) for where, name, face in places if where == shard]
        write_atomically(folder / shard, tar_bytes(files), overwrite=True)


def tar_bytes(files: list[tuple[str, bytes]]) -> memoryview:
    """A tar file without times and owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getbuffer()


def write_manifest(folder: Path, places: list[Placement]) -> None:
    """Writes the table of all faces."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for shard, name, face in places:
        crop = face.crop
        rows.writerow((shard, name, face.photo, crop.side_px, crop.sharpness, crop.split, crop.person))
    write_atomically(folder / MANIFEST, text.getvalue().encode("utf-8", "backslashreplace"), overwrite=True)
