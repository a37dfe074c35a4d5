"""Faces of known truth: 128x128 as they are, larger ones reduced, or cut from photos where the detector finds them."""

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
from ..faceset.reading import encoded_pictures
from ..photo.decode import decode
from ..photo.pixels import to_rgb8
from ..restore.alignment import crop_square, square_around

MAX_PIXELS = 700_000_000

RGB = NDArray[np.uint8]  # (h, w, 3)
Cutter = Callable[[RGB], list[Tensor]]  # a picture -> its faces, (3, 128, 128) uint8; LaaError where it is none


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


def read_set(source: Path, cutter: Cutter, limit: int | None, screen: Screen) -> BenchFaces:
    """The faces of a folder or tar file, the first `limit` of them. A picture that cannot be used is left out and named.

    LaaError where the source cannot be read or no face is left.
    """
    found = BenchFaces(source, torch.empty(0), [])
    faces: list[Tensor] = []
    for name, content in screen.track(encoded_pictures(source), "pictures"):
        if limit is not None and len(faces) >= limit:
            break
        cuts = faces_in(name, content, cutter, found, screen)
        faces += cuts
        found.names += [name] * len(cuts)
    if not faces:
        raise LaaError(f"no usable faces in {source}{why_none(found)}")
    found.names, found.faces = found.names[:limit], torch.stack(faces[:limit])
    return found


def faces_in(name: str, content: bytes, cutter: Cutter, found: BenchFaces, screen: Screen) -> list[Tensor]:
    """The faces of one picture; `found` notes it where there are none."""
    try:
        faces = cutter(to_rgb8(decode(content, name, MAX_PIXELS)[0]))
    except LaaError as error:
        found.left_out.append(str(error) if name in str(error) else f"{name}: {error}")
        screen.notice(f"left out: {found.left_out[-1]}")
        return []
    found.faceless += not faces
    return faces


def why_none(found: BenchFaces) -> str:
    """The end of a sentence."""
    if found.left_out:
        return f"; the first: {found.left_out[0]}"
    return f": no large face in its {found.faceless} pictures" if found.faceless else ": it holds no pictures"


def as_face_crop(picture: RGB) -> list[Tensor]:
    """A picture that is a face's crop already: square, and 128 px or more."""
    height, width = picture.shape[:2]
    if height != width or width < HR_SIZE:
        raise LaaError(f"it is {width}x{height}, no square of {HR_SIZE} px or more (photos need --prepare)")
    return [reduce_to_hr(picture)]


def faces_of_photos(detect: Callable[[RGB], Sequence[Face]]) -> Cutter:
    """Cuts the faces out of photos as the protocol says, those whose crop has 128 px or more."""

    def faces_of(photo: RGB) -> list[Tensor]:
        squares = [square_around(face.box_xyxy, CROP_MARGIN) for face in detect(photo)]
        return [reduce_to_hr(crop_square(photo, square)) for square in squares if square.side >= HR_SIZE]

    return faces_of


def reduce_to_hr(picture: RGB) -> Tensor:
    """(s, s, 3) uint8 -> (3, 128, 128) uint8, by the protocol's kernel."""
    face = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)
    return face if face.shape[-1] == HR_SIZE else reduce(face[None].float().div(255), HR_SIZE)[0].mul(255).round().byte()
