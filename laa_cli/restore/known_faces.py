"""The faces of a photo: those that the detector finds, those that its metadata tags, those that a person places by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..detect.face import PLACED, TAG, Box, Face
from ..detect.filtering import overlap_ratios
from ..interfaces import FaceDetector
from ..options import PlacedFace
from ..photo import FaceTag


def find_faces(
    detect: FaceDetector, rgb: NDArray[np.uint8], tags: Sequence[FaceTag] = (), placed: Sequence[PlacedFace] = ()
) -> list[Face]:
    """Finds the faces of a photo (h, w, 3) uint8 RGB: detections by falling confidence, then the other tags, then `placed`.

    So their numbers do not depend on what is placed. A detection where a tag lies has the tag's name.
    """
    faces = list(detect(rgb))
    matches = match_tags(faces, tags)
    named = [replace(face, name=tags[matches[index]].name) if index in matches else face for index, face in enumerate(faces)]
    missed = [tag for index, tag in enumerate(tags) if index not in matches.values()]
    seen = detect.look_at(rgb, [tag.box_xyxy for tag in missed]) if missed else []
    tagged = [tagged_face(tag, face) for tag, face in zip(missed, seen, strict=True)]
    return [*named, *tagged, *map(placed_face, placed)]


def match_tags(faces: Sequence[Face], tags: Sequence[FaceTag]) -> dict[int, int]:
    """Matches detections with tags one to one, the largest overlap (IoU) first: a tag's index by a detection's.

    Programs frame a face differently, some twice as wide as others: a pair matches where each has the other's centre in it.
    """
    pairs = [
        (overlap_ratios(face.box_xyxy, tag.box_xyxy)[0], index, number)
        for index, face in enumerate(faces)
        for number, tag in enumerate(tags)
        if has_centre_of(face.box_xyxy, tag.box_xyxy) and has_centre_of(tag.box_xyxy, face.box_xyxy)
    ]
    found: dict[int, int] = {}
    for _, index, number in sorted(pairs, key=lambda pair: (-pair[0], pair[1:])):
        if index not in found and number not in found.values():
            found[index] = number
    return found


def has_centre_of(box: Box, other: Box) -> bool:
    """Checks whether another box's centre lies in a box."""
    x, y = (other[0] + other[2]) / 2, (other[1] + other[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def tagged_face(tag: FaceTag, seen: Face | None) -> Face:
    """Makes a tagged region that was not detected a face: framed as the detector sees it there, else as it is tagged."""
    if seen is not None and has_centre_of(seen.box_xyxy, tag.box_xyxy) and has_centre_of(tag.box_xyxy, seen.box_xyxy):
        return replace(seen, source=TAG, name=tag.name)
    return Face(tag.box_xyxy, None, (), TAG, tag.name)


def placed_face(placed: PlacedFace) -> Face:
    """Makes a box that a person placed a face, as it is."""
    return Face(placed.box_xyxy, None, (), PLACED, given_roll_deg=placed.roll_deg)
