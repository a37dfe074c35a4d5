"""Tar files of faces, and the table of what is in them; the same faces always give the same bytes."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..faceset.hashing import find_duplicates
from ..photo import Photo, encode_photo
from ..utils.atomic import write_atomically
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


# Of pictures of the same face, taken from copies of one photo, the largest is kept.


def drop_duplicates(faces: list[StoredFace]) -> list[StoredFace]:
    """The faces without duplicates, in their order; of equally large ones the first is kept."""
    ranked = sorted(range(len(faces)), key=lambda place: (-faces[place].crop.side_px, place))
    texts = b"".join(bytes.fromhex(faces[place].crop.fingerprint) for place in ranked)
    hashes = np.frombuffer(texts, np.uint64).reshape(-1, 4)
    dropped: set[int] = set()
    for rank, better in find_duplicates(hashes, hashes):
        if better < rank and better not in dropped:
            dropped.add(rank)
    kept = sorted(place for rank, place in enumerate(ranked) if rank not in dropped)
    return [faces[place] for place in kept]


# A contact sheet: what came out, at a glance, the least sharp faces first.


ACROSS, DOWN = 12, 8
FACE_PX, CAPTION_PX, GAP_PX = 96, 14, 6
INK, PAPER, FRAME = (40, 40, 40), (255, 255, 255), (230, 120, 0)


def contact_sheet(faces: list[StoredFace], picture: Callable[[StoredFace], bytes]) -> bytes:
    """A PNG of up to 96 faces, spread evenly over their sharpness; those for validation are framed."""
    ranked = sorted(faces, key=lambda face: face.crop.sharpness)
    count = min(len(ranked), ACROSS * DOWN)
    shown = [ranked[index * len(ranked) // count] for index in range(count)]
    rows = -(-count // ACROSS)
    step = FACE_PX + GAP_PX, FACE_PX + CAPTION_PX + GAP_PX
    sheet = Image.new("RGB", (GAP_PX + step[0] * min(count, ACROSS), GAP_PX + step[1] * rows + CAPTION_PX), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(10)
    for index, face in enumerate(shown):
        left, top = GAP_PX + index % ACROSS * step[0], GAP_PX + index // ACROSS * step[1]
        if face.crop.split == VALIDATION:
            draw.rectangle((left - 3, top - 3, left + FACE_PX + 2, top + FACE_PX + 2), FRAME)
        with Image.open(io.BytesIO(picture(face))) as image:
            sheet.paste(image.convert("RGB").resize((FACE_PX, FACE_PX), Image.Resampling.LANCZOS), (left, top))
        draw.text((left, top + FACE_PX + 1), f"{face.crop.side_px} px  {face.crop.sharpness:.0f}", INK, font)
    legend = f"{count} of {len(faces)} faces: side of the crop, sharpness; framed: for validation"
    draw.text((GAP_PX, sheet.height - CAPTION_PX - 2), legend, INK, font)
    return encode_photo(Photo(np.asarray(sheet)), ".png")
