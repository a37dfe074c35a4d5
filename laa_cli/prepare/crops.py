"""From a photo to the crops of its faces: read, detect, select by size and sharpness, crop, hash, split and encode."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from models.protocol import CROP_MARGIN, HR_SIZE

from ..detect.face import Face
from ..errors import LaaError, out_of_memory
from ..faceset.format import TRAIN, TRAINING_FACE_PX, TRAINING_MARGIN, VALIDATION
from ..faceset.hashing import perceptual_hashes
from ..photo import Photo, encode_photo, max_file_bytes, read_photo
from ..restore.alignment import Square, crop_square, square_around
from .photo_source import PhotoSource
from .settings import PrepareRequest

WEBP_QUALITY = 92  # of training faces; photos are written at 95
Rgb = NDArray[np.uint8]  # (h, w, 3) uint8 RGB


@dataclass(frozen=True)
class LoadedPhoto:
    """A photo on its way: its pixels and the SHA-256 of its file, or why there are none; its faces once they are detected."""

    source: PhotoSource
    rgb: Rgb | None = None
    digest: str = ""
    error: str = ""
    faces: Sequence[Face] = ()


@dataclass(frozen=True, kw_only=True)
class CroppedFace:
    """A face that was selected. `side_px`: of the protocol's crop in the photo; `fingerprint`: its perceptual hash in hex;
    `person`: "" where no identities are given; `suffix` and `content`: the encoded picture's format and file."""

    side_px: int
    sharpness: float
    fingerprint: str
    split: str
    person: str
    suffix: str
    content: bytes = b""


@dataclass(frozen=True, kw_only=True)
class PhotoFaces:
    """The result for one photo: an error, or its crops, how many faces were detected, and how many refused and why."""

    photo: str
    error: str = ""
    faces: int = 0
    small: int = 0
    blurred: int = 0
    unknown: int = 0  # of no known person, though identities were given
    crops: list[CroppedFace] = field(default_factory=list)


def load_photo(source: PhotoSource, request: PrepareRequest) -> LoadedPhoto:
    """Reads and decodes a photo; a damaged one becomes an error to report."""
    try:
        content = source.read(max_file_bytes(request.max_pixels))
        photo = read_photo(content, max_pixels=request.max_pixels, name=source.name)
        return LoadedPhoto(source, photo.rgb8(), hashlib.sha256(content).hexdigest())
    except LaaError as error:
        return LoadedPhoto(source, error=str(error))
    except Exception as error:
        if not out_of_memory(error):
            raise
        return LoadedPhoto(source, error=f"not enough memory for {source.name}: lower --max-pixels")


def detect_faces(photo: LoadedPhoto, detect: Callable[[Rgb], Sequence[Face]]) -> LoadedPhoto:
    """Adds a photo's faces, where it could be read."""
    return photo if photo.rgb is None else replace(photo, faces=detect(photo.rgb))


def select_faces(photo: LoadedPhoto, request: PrepareRequest, identities: Identities | None) -> PhotoFaces:
    """Crops the faces that are large and sharp enough, and of a known person where identities are given."""
    if photo.rgb is None:
        return PhotoFaces(photo=photo.source.name, error=photo.error)
    person = identities.find_person(photo.source.name) if identities else ""
    faces = sorted(photo.faces, key=lambda face: -face.size_px)
    known = select_known(faces, identities, person)
    large = [face for face in known if square_around(face.box_xyxy, CROP_MARGIN).side >= request.min_crop]
    split = split_of(f"person {person}" if person else photo.digest, request.validation_share)
    crops = [make_crop(photo.rgb, face, split, person or "", request.format) for face in large]
    sharp = [crop for crop in crops if crop.sharpness >= request.min_sharpness]
    return PhotoFaces(
        photo=photo.source.name,
        faces=len(faces),
        small=len(known) - len(large),
        blurred=len(large) - len(sharp),
        unknown=len(faces) - len(known),
        crops=sharp,
    )


def select_known(faces: list[Face], identities: Identities | None, person: str | None) -> list[Face]:
    """Selects the face that is the photo's person: the largest, the first. All faces where no identities are given."""
    if identities is None:
        return faces
    return [] if person is None else faces[:1]


def make_crop(rgb: Rgb, face: Face, split: str, person: str, training_format: str) -> CroppedFace:
    """Crops, measures, hashes and encodes one face: for training with a margin, for validation as PNG."""
    square = square_around(face.box_xyxy, CROP_MARGIN)
    hr_face = resize_face(crop_square(rgb, square), HR_SIZE)
    picture = crop_with_margin(rgb, square) if split == TRAIN else hr_face
    suffix = training_format if split == TRAIN else "png"
    return CroppedFace(
        side_px=square.side,
        sharpness=round(sharpness(hr_face), 1),
        fingerprint=perceptual_hashes(torch.from_numpy(hr_face.copy()).permute(2, 0, 1)[None]).tobytes().hex(),
        split=split,
        person=person,
        suffix=suffix,
        content=encode_face(picture, suffix),
    )


def crop_with_margin(rgb: Rgb, square: Square) -> Rgb:
    """Crops a training face at the protocol's scale: (144, 144, 3), whose central 128x128 is the protocol's crop."""
    margin = square.side * (TRAINING_MARGIN - 1) / 2
    whole = int(np.ceil(margin)) + 1
    wide = Square(square.x - whole, square.y - whole, square.side + 2 * whole)
    near = whole - margin
    far = whole + square.side + margin
    return resize_face(crop_square(rgb, wide), TRAINING_FACE_PX, (near, near, far, far))


def resize_face(rgb: Rgb, size: int, box: tuple[float, float, float, float] | None = None) -> Rgb:
    """Resizes by the protocol's kernel, antialiased bicubic: (h, w, 3), or its `box` (x0, y0, x1, y1) -> (size, size, 3)."""
    return np.asarray(Image.fromarray(rgb).resize((size, size), Image.Resampling.BICUBIC, box))


def sharpness(face: Rgb) -> float:
    """Computes the variance of the Laplacian, a measure of focus, of a (128, 128, 3) face in grey levels."""
    return float(cv2.Laplacian(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def encode_face(face: Rgb, suffix: str) -> bytes:
    """Encodes a face as the content of a PNG or WebP file. `suffix`: "png" or "webp"."""
    if suffix == "png":
        return encode_photo(Photo(face), ".png")
    file = io.BytesIO()
    Image.fromarray(face).save(file, "WEBP", quality=WEBP_QUALITY, method=4)
    return file.getvalue()


# Training or validation, by a hash: a face keeps its split when photos are added, moved or renamed


def split_of(key: str, share: float) -> str:
    """Assigns a key to a split. `key`: the person, or the SHA-256 of the photo's file; `share`: of keys for validation."""
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])
    return VALIDATION if number < share * 2**64 else TRAIN


class Identities:
    """Who is in which photo: lines of a photo's name and a person, separated by a comma, semicolon, tab or space, as in CelebA.

    Raises LaaError where the file cannot be read, or a line is something else.
    """

    def __init__(self, path: Path) -> None:
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise LaaError(f"cannot read the identities {path}: {error}") from error
        rows = [re.split(r"\s*[,;\t]\s*|\s+(?=\S+$)", line.strip(), maxsplit=1) for line in lines if line.strip()]
        wrong = [number for number, row in enumerate(rows, 1) if len(row) != 2]
        if wrong or not rows:
            raise LaaError(f"{path}: line {wrong[0] if wrong else 1} is not a photo's name and a person, parted by a comma")
        self.people = {PurePosixPath(photo).as_posix(): person.strip() for photo, person in rows}

    def find_person(self, photo: str) -> str | None:
        """Looks up a photo by its whole name, or by the longest suffix of its path that has a line; None where none has."""
        parts = PurePosixPath(photo.replace(":", "/")).parts
        suffixes = ("/".join(parts[first:]) for first in range(len(parts)))
        return next((self.people[suffix] for suffix in suffixes if suffix in self.people), None)
