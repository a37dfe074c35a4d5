"""Test faces with a known truth: 128x128 pictures as they are, larger ones reduced, or crops of faces detected in photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.protocol import CROP_MARGIN, HR_SIZE, reduce

from ..console import Screen
from ..detect.face import Face
from ..errors import LaaError
from ..faceset.format import encoded_pictures
from ..options import Options
from ..photo.decode import decode
from ..photo.pixels import to_rgb8
from ..restore.alignment import crop_square, square_around

RGB = NDArray[np.uint8]  # (h, w, 3)
Cropper = Callable[[RGB], list[Tensor]]  # a picture -> its faces, (3, 128, 128) uint8 RGB; LaaError where it cannot be used


@dataclass
class BenchFaces:
    """`faces`: (n, 3, 128, 128) uint8 RGB in the order of their files' names, which are in `names`.

    `left_out`: why each picture that could not be used is missing; `faceless`: photos in which no large face was found.
    """

    source: Path
    faces: Tensor
    names: list[str]
    left_out: list[str] = field(default_factory=list)
    faceless: int = 0

    def __str__(self) -> str:
        missing = f" ({len(self.left_out)} left out)" if self.left_out else ""
        return f"{len(self.faces)} faces of {self.source.resolve().name}{missing}"


def read_set(source: Path, cropper: Cropper, limit: int | None, screen: Screen) -> BenchFaces:
    """Reads the faces of a folder or tar file, the first `limit` of them. A picture that cannot be used is left out and named.

    LaaError where the source cannot be read or no face is left.
    """
    result = BenchFaces(source, torch.empty(0), [])
    faces: list[Tensor] = []
    for name, content in screen.track(encoded_pictures(source), "pictures"):
        if limit is not None and len(faces) >= limit:
            break
        crops = crop_faces(name, content, cropper, result, screen)
        faces += crops
        result.names += [name] * len(crops)
    if not faces:
        raise LaaError(f"no usable faces in {source}{reason_for_none(result)}")
    result.names = result.names[:limit]
    result.faces = torch.stack(faces[:limit])
    return result


def crop_to_face(picture: RGB) -> list[Tensor]:
    """A Cropper for pictures that are crops of faces already: square, and 128 px or more."""
    height, width = picture.shape[:2]
    if height != width or width < HR_SIZE:
        raise LaaError(f"it is {width}x{height}, no square of {HR_SIZE} px or more (photos need --prepare)")
    return [reduce_to_hr(picture)]


def crop_detected_faces(detect: Callable[[RGB], Sequence[Face]]) -> Cropper:
    """Returns a Cropper for photos: the protocol's crop around each face, where it has 128 px or more."""

    def crop(photo: RGB) -> list[Tensor]:
        squares = [square_around(face.box_xyxy, CROP_MARGIN) for face in detect(photo)]
        return [reduce_to_hr(crop_square(photo, square)) for square in squares if square.side >= HR_SIZE]

    return crop


def crop_faces(name: str, content: bytes, cropper: Cropper, result: BenchFaces, screen: Screen) -> list[Tensor]:
    """Crops the faces of one picture file; notes in `result` where there are none."""
    try:
        faces = cropper(to_rgb8(decode(content, name, Options.max_pixels)[0]))
    except LaaError as error:
        result.left_out.append(str(error) if name in str(error) else f"{name}: {error}")
        screen.notice(f"left out: {result.left_out[-1]}")
        return []
    if not faces:
        result.faceless += 1
    return faces


def reason_for_none(result: BenchFaces) -> str:
    """Says why there are no faces, as the end of a sentence."""
    if result.left_out:
        return f"; the first: {result.left_out[0]}"
    return f": no large face in its {result.faceless} pictures" if result.faceless else ": it holds no pictures"


def reduce_to_hr(picture: RGB) -> Tensor:
    """Reduces (s, s, 3) uint8 to (3, 128, 128) uint8, by the protocol's kernel."""
    face = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)
    return face if face.shape[-1] == HR_SIZE else reduce(face[None].float().div(255), HR_SIZE)[0].mul(255).round().byte()
