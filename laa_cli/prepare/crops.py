"""From a photo to the crops of its faces: the protocol's 128x128, with room for shifts where they are for training."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from models.protocol import CROP_MARGIN, HR_SIZE

from ..detect.face import Face
from ..errors import LaaError, out_of_memory
from ..faceset.hashing import perceptual_hashes
from ..photo import Photo, encode_photo, read_photo
from ..restore.alignment import Square, crop_square, square_around
from .settings import PrepareRequest
from .sources import PhotoSource
from .split import TRAIN, Identities, split_of

TRAIN_MARGIN = 1.125  # training faces: 12.5 % more than the protocol's crop, for shifts
TRAIN_PX = 144  # HR_SIZE * ROOM
WEBP_QUALITY = 92
Rgb = NDArray[np.uint8]


@dataclass(frozen=True)
class CroppedFace:
    """A face that came out: the protocol's crop in photo pixels, its sharpness, its hash, its picture's file."""

    side_px: int
    sharpness: float
    fingerprint: str
    split: str
    person: str
    suffix: str
    content: bytes = b""


@dataclass(frozen=True)
class PhotoFaces:
    """What became of a photo: an error, or its crops, and how many faces were refused and why."""

    photo: str
    error: str = ""
    faces: int = 0
    small: int = 0
    blurred: int = 0
    unknown: int = 0  # no person is known, though identities were given
    crops: list[CroppedFace] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """For the journal: everything but the pictures."""
        values = asdict(replace(self, crops=[replace(crop, content=b"") for crop in self.crops]))
        for crop in values["crops"]:
            del crop["content"]
        return values


@dataclass(frozen=True)
class LoadedPhoto:
    """A photo on its way: its pixels and the digest of its file, or why there are none; its faces once they are found."""

    source: PhotoSource
    rgb: Rgb | None = None
    digest: str = ""
    error: str = ""
    faces: Sequence[Face] = ()


def read(source: PhotoSource, settings: PrepareRequest) -> LoadedPhoto:
    """Reads a photo; a damaged one becomes an error to report."""
    try:
        content = source.content(settings.most_bytes)
        photo = read_photo(content, max_pixels=settings.max_pixels, name=source.name)
        return LoadedPhoto(source, photo.rgb8(), hashlib.sha256(content).hexdigest())
    except LaaError as error:
        return LoadedPhoto(source, error=str(error))
    except Exception as error:
        if not out_of_memory(error):
            raise
        return LoadedPhoto(source, error=f"not enough memory for {source.name}: lower --max-pixels")


def detect_faces(photo: LoadedPhoto, detect: Callable[[Rgb], Sequence[Face]]) -> LoadedPhoto:
    """The photo with its faces."""
    return photo if photo.rgb is None else replace(photo, faces=detect(photo.rgb))


def select(photo: LoadedPhoto, settings: PrepareRequest, identities: Identities | None) -> PhotoFaces:
    """Cuts out the faces that are large, sharp and known enough."""
    if photo.rgb is None:
        return PhotoFaces(photo.source.name, photo.error)
    person = identities(photo.source.name) if identities else ""
    faces = sorted(photo.faces, key=lambda face: -face.size_px)
    known = faces if identities is None else faces[:1] if person is not None else []  # the largest face is the person's
    large = [face for face in known if square_around(face.box_xyxy, CROP_MARGIN).side >= settings.min_crop]
    split = split_of(f"person {person}" if person else photo.digest, settings.validation_share)
    crops = [make_crop(photo.rgb, face, split, person or "", settings) for face in large]
    sharp = [crop for crop in crops if crop.sharpness >= settings.min_sharpness]
    counts = len(faces), len(known) - len(large), len(large) - len(sharp), len(faces) - len(known)
    return PhotoFaces(photo.source.name, "", *counts, sharp)


def make_crop(rgb: Rgb, face: Face, split: str, person: str, settings: PrepareRequest) -> CroppedFace:
    """One face, cut out, judged and encoded."""
    square = square_around(face.box_xyxy, CROP_MARGIN)
    plain = resize_face(crop_square(rgb, square), HR_SIZE)
    picture = crop_with_margin(rgb, square) if split == TRAIN else plain
    suffix = settings.format if split == TRAIN else "png"
    hashed = perceptual_hashes(torch.from_numpy(plain.copy()).permute(2, 0, 1)[None]).tobytes().hex()
    return CroppedFace(square.side, round(sharpness(plain), 1), hashed, split, person, suffix, encode_face(picture, suffix))


def crop_with_margin(rgb: Rgb, square: Square) -> Rgb:
    """The face at the protocol's scale with room around it: (144, 144, 3), whose middle 128x128 is the protocol's crop."""
    rim = square.side * (TRAIN_MARGIN - 1) / 2
    whole = int(np.ceil(rim)) + 1
    wide = Square(square.x - whole, square.y - whole, square.side + 2 * whole)
    near, far = whole - rim, whole + square.side + rim
    return resize_face(crop_square(rgb, wide), TRAIN_PX, (near, near, far, far))


def resize_face(rgb: Rgb, size: int, box: tuple[float, float, float, float] | None = None) -> Rgb:
    """By the protocol's kernel. (h, w, 3) -> (size, size, 3)."""
    return np.asarray(Image.fromarray(rgb).resize((size, size), Image.Resampling.BICUBIC, box))


def sharpness(face: Rgb) -> float:
    """Variance of the Laplacian of a 128x128 face in grey levels."""
    return float(cv2.Laplacian(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def encode_face(face: Rgb, suffix: str) -> bytes:
    """The face as a file."""
    if suffix == "png":
        return encode_photo(Photo(face), ".png")
    file = io.BytesIO()  # at a quality of its own: photos are written at 95
    Image.fromarray(face).save(file, "WEBP", quality=WEBP_QUALITY, method=4)
    return file.getvalue()
