"""Which faces of a photo a person wants restored: by number, by name, by boxes placed by hand."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from ..detect.face import PLACED, Face
from ..detect.filtering import overlap_ratios
from ..errors import LaaError
from ..options import FaceChoice, PlacedFace

MAX_NAMED = 20  # faces' names that a message lists
SAME_FACE_IOU = 0.3  # from which a box placed by hand takes the place of a detection


def choose_faces(faces: Sequence[Face], choice: FaceChoice, photo: str) -> list[str]:
    """Returns for each face why it is not to be restored; empty where it may be.

    Numbers and names add up; without any of both all are chosen. What is placed by hand is chosen, and takes the place of a
    detection there. `photo`: what messages call it. Raises LaaError on a number or, where `person_required`, on names that the
    photo does not have.
    """
    check_numbers(choice, len(faces), photo)
    persons = {normalize_name(name) for name in choice.persons}
    if choice.person_required and persons and not has_person(faces, choice):
        raise LaaError(
            f"{photo} has no face tagged {' or '.join(choice.persons)}: {describe_names(face.name for face in faces)}"
        )
    return [skip_reason(number, face, faces, choice, persons) for number, face in enumerate(faces, 1)]


def skip_reason(number: int, face: Face, faces: Sequence[Face], choice: FaceChoice, persons: set[str]) -> str:
    """Returns why a face is not to be restored; empty where it may be. `persons`: normalized names."""
    by_name = bool(face.name) and normalize_name(face.name) in persons
    asked = number in choice.numbers or by_name or face.source == PLACED
    if number in choice.excluded or (choice.restricted and not asked):
        return "not chosen"
    if face.source != PLACED and any(is_same_face(face, other) for other in faces if other.source == PLACED):
        return "placed by hand"
    return ""


def has_person(faces: Iterable[Face], choice: FaceChoice) -> bool:
    """Checks whether any of the persons asked for is among the faces."""
    return not {normalize_name(name) for name in choice.persons}.isdisjoint(normalize_name(face.name) for face in faces)


def is_same_face(face: Face, other: Face) -> bool:
    """Checks whether two boxes can only be one face's."""
    return overlap_ratios(face.box_xyxy, other.box_xyxy)[0] > SAME_FACE_IOU


def check_numbers(choice: FaceChoice, count: int, photo: str) -> None:
    """Raises LaaError where a number is none of the photo's faces."""
    missing = [number for number in (*choice.numbers, *choice.excluded) if number > count]
    if missing:
        has = f"its faces are 1 to {count}" if count > 1 else "it has one face" if count else "it has none"
        raise LaaError(f"{photo} has no face {missing[0]}: {has}, as `laa detect` with the same options shows")


def describe_names(names: Iterable[str]) -> str:
    """Says which names faces are tagged with."""
    different = sorted({name for name in names if name})
    if not different:
        return "no face is tagged with a name"
    more = f" and {len(different) - MAX_NAMED} more" if len(different) > MAX_NAMED else ""
    return f"the face tags name {', '.join(different[:MAX_NAMED])}{more}"


def normalize_name(name: str) -> str:
    """Normalizes a person's name for comparison: Unicode's compatibility form, one space between words, without case."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def check_placed(placed: Sequence[PlacedFace], width: int, height: int, photo: str) -> None:
    """Raises LaaError where a box placed by hand is none in a photo of this size, px."""
    for face in placed:
        x0, y0, x1, y1 = face.box_xyxy
        inside = 0 <= (x0 + x1) / 2 <= width and 0 <= (y0 + y1) / 2 <= height
        if not inside or max(x1 - x0, y1 - y0) > max(width, height):
            raise LaaError(f"{photo} has no place for the box {face}: upright it is {width}x{height} px")
