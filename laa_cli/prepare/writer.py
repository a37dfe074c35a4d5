"""Writes the face set: drops near-duplicates, assigns shards, writes tar files, contact sheet and manifest.

The same faces always give the same bytes.
"""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..faceset.format import CONTACT_SHEET, MANIFEST, MANIFEST_COLUMNS, TRAIN, VALIDATION, face_name, shard_name
from ..faceset.hashing import find_duplicates
from ..photo import Photo, encode_photo
from ..utils.atomic import write_atomically
from ..utils.inputs import Inputs
from .journal import StoredFace

SHEET_COLUMNS = 12  # the contact sheet
SHEET_ROWS = 8
THUMBNAIL_PX = 96
CAPTION_PX = 14
GAP_PX = 6
FRAME_PX = 3
TEXT_COLOR = (40, 40, 40)
BACKGROUND_COLOR = (255, 255, 255)
FRAME_COLOR = (230, 120, 0)

Placement = tuple[str, str, StoredFace]  # shard, name in it, face
ReadPicture = Callable[[StoredFace], bytes]  # the content of a face's PNG or WebP file


def drop_duplicates(faces: list[StoredFace]) -> list[StoredFace]:
    """Drops near-duplicates by perceptual hash, in order. The largest of them stays, of equally large ones the first."""
    ranked = sorted(range(len(faces)), key=lambda index: (-faces[index].crop.side_px, index))
    digests = b"".join(bytes.fromhex(faces[index].crop.fingerprint) for index in ranked)
    hashes = np.frombuffer(digests, np.uint64).reshape(-1, 4)
    dropped: set[int] = set()
    for rank, better in find_duplicates(hashes, hashes):
        if better < rank and better not in dropped:
            dropped.add(rank)
    kept = sorted(index for rank, index in enumerate(ranked) if rank not in dropped)
    return [faces[index] for index in kept]


def assign_shards(faces: list[StoredFace], shard_size: int) -> list[Placement]:
    """Assigns each face its shard and its name in it, in order."""
    counts = {TRAIN: 0, VALIDATION: 0}
    places = []
    for face in faces:
        split = face.crop.split
        index = counts[split]
        places.append((shard_name(split, index, shard_size), face_name(split, index, face.crop.suffix), face))
        counts[split] += 1
    return places


def write_face_set(folder: Path, places: list[Placement], read_picture: ReadPicture, inputs: Inputs) -> None:
    """Writes shards, contact sheet and manifest, each file whole or not at all, over those of a run that was killed here."""
    write_shards(folder, places, read_picture, inputs)
    sheet = draw_contact_sheet([face for _, _, face in places], read_picture)
    write_atomically(folder / CONTACT_SHEET, sheet, inputs=inputs, overwrite=True)
    write_manifest(folder, places, inputs)


def write_shards(folder: Path, places: list[Placement], read_picture: ReadPicture, inputs: Inputs) -> None:
    """Writes the tar files."""
    for shard in dict.fromkeys(place[0] for place in places):
        files = [(name, read_picture(face)) for place, name, face in places if place == shard]
        write_atomically(folder / shard, make_tar(files), inputs=inputs, overwrite=True)


def make_tar(files: list[tuple[str, bytes]]) -> memoryview:
    """Makes a tar file (USTAR) of names and contents, without times and owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getbuffer()


def write_manifest(folder: Path, places: list[Placement], inputs: Inputs) -> None:
    """Writes manifest.csv, a row for each face."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(MANIFEST_COLUMNS)
    for shard, name, face in places:
        crop = face.crop
        writer.writerow((shard, name, face.photo, crop.side_px, crop.sharpness, crop.split, crop.person))
    content = text.getvalue().encode("utf-8", "backslashreplace")
    write_atomically(folder / MANIFEST, content, inputs=inputs, overwrite=True)


def draw_contact_sheet(faces: list[StoredFace], read_picture: ReadPicture) -> bytes:
    """Draws a PNG of up to 96 faces, spread evenly over their sharpness, the least sharp first; validation faces are framed."""
    ranked = sorted(faces, key=lambda face: face.crop.sharpness)
    count = min(len(ranked), SHEET_COLUMNS * SHEET_ROWS)
    step_x = THUMBNAIL_PX + GAP_PX
    step_y = THUMBNAIL_PX + CAPTION_PX + GAP_PX
    width = GAP_PX + step_x * min(count, SHEET_COLUMNS)
    height = GAP_PX + step_y * -(-count // SHEET_COLUMNS) + CAPTION_PX
    sheet = Image.new("RGB", (width, height), BACKGROUND_COLOR)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(10)
    for index in range(count):
        face = ranked[index * len(ranked) // count]
        left = GAP_PX + index % SHEET_COLUMNS * step_x
        top = GAP_PX + index // SHEET_COLUMNS * step_y
        if face.crop.split == VALIDATION:
            draw_frame(draw, left, top)
        with Image.open(io.BytesIO(read_picture(face))) as image:
            thumbnail = image.convert("RGB").resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
        sheet.paste(thumbnail, (left, top))
        draw.text((left, top + THUMBNAIL_PX + 1), f"{face.crop.side_px} px  {face.crop.sharpness:.0f}", TEXT_COLOR, font)
    legend = f"{count} of {len(faces)} faces: side of the crop, sharpness; framed: for validation"
    draw.text((GAP_PX, height - CAPTION_PX - 2), legend, TEXT_COLOR, font)
    return encode_photo(Photo(np.asarray(sheet)), ".png")


def draw_frame(draw: ImageDraw.ImageDraw, left: int, top: int) -> None:
    """Draws the rectangle behind a thumbnail, of which a frame of 3 px stays to be seen."""
    right = left + THUMBNAIL_PX + FRAME_PX - 1
    bottom = top + THUMBNAIL_PX + FRAME_PX - 1
    draw.rectangle((left - FRAME_PX, top - FRAME_PX, right, bottom), FRAME_COLOR)
