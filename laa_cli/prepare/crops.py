"""From a photo to the crops of its faces: read, detect, select by size and sharpness, crop, hash and encode."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from models.protocol import CROP_MARGIN, HR_SIZE

from ..detect.face import Face
from ..errors import LaaError, out_of_memory
from ..faceset.format import TRAIN, TRAINING_FACE_PX, TRAINING_MARGIN
from ..faceset.hashing import perceptual_hashes
from ..photo import Photo, encode_photo, max_file_bytes, read_photo
from ..restore.alignment import Square, crop_square, square_around
from .settings import PrepareRequest
from .sources import PhotoSource
from .split import Identities, split_of

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
