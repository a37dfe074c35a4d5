"""Which faces a person chooses, by number, name and place."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import MIDDLE

from laa_cli.detect.face import PLACED, Face
from laa_cli.errors import LaaError, UsageError
from laa_cli.options import EVERY_FACE, FaceChoice, PlacedFace, parse_numbers
from laa_cli.restore.choice import check_placed, choose_faces
from laa_cli.restore.known_faces import placed_face

NAMES = ("", "Ada Lovelace", "", "José")
FACES = [
    replace(MIDDLE, name=name, box_xyxy=(100.0 * place, 0.0, 100.0 * place + 50, 50.0)) for place, name in enumerate(NAMES)
]


def chosen(choice: FaceChoice, faces: list[Face] = FACES) -> list[int]:
    """The numbers of the faces that may be restored."""
    return [number for number, reason in enumerate(choose_faces(faces, choice, "a.jpg"), 1) if not reason]


def test_numbers_and_names_add_up_and_exceptions_are_taken_away() -> None:
    assert chosen(EVERY_FACE) == [1, 2, 3, 4]
    assert chosen(FaceChoice(numbers=(1, 3))) == [1, 3]
    assert chosen(FaceChoice(excluded=(2,))) == [1, 3, 4]
    assert chosen(FaceChoice(persons=("José",))) == [4]
    assert chosen(FaceChoice(numbers=(1,), persons=("José", "Nobody"))) == [1, 4]
    assert chosen(FaceChoice(numbers=(1, 2, 3), excluded=(3,), persons=("Ada Lovelace",))) == [1, 2]


@pytest.mark.parametrize(
    "name", ["ada lovelace", " ADA  Lovelace ", "A\uff24a Lovelace".replace("\uff24", "D"), "Ada\u00a0Lovelace"]
)
def test_names_are_compared_without_case_and_spacing(name: str) -> None:
    assert chosen(FaceChoice(persons=(name,))) == [2]


def test_accents_count_however_they_are_spelled() -> None:
    assert chosen(FaceChoice(persons=("Jose\u0301",))) == [4]
    with pytest.raises(LaaError, match="has no face tagged Jose: the face tags name Ada Lovelace, José"):
        chosen(FaceChoice(persons=("Jose",)))


def test_a_number_that_the_photo_does_not_have_is_an_error() -> None:
    with pytest.raises(LaaError, match=r"a\.jpg has no face 5: its faces are 1 to 4"):
        chosen(FaceChoice(numbers=(1, 5)))
    with pytest.raises(LaaError, match=r"a\.jpg has no face 2: it has one face"):
        chosen(FaceChoice(excluded=(2,)), FACES[:1])
    with pytest.raises(LaaError, match=r"a\.jpg has no face 1: it has none"):
        chosen(FaceChoice(numbers=(1,)), [])


def test_a_box_that_is_placed_takes_the_place_of_a_detection() -> None:
    faces = [*FACES, placed_face(PlacedFace(105, 3, 50, 50, 20))]
    assert faces[-1].source == PLACED
    assert chosen(EVERY_FACE, faces) == [1, 3, 4, 5]
    assert choose_faces(faces, EVERY_FACE, "a.jpg")[1] == "placed by hand"
    assert chosen(FaceChoice(numbers=(1,)), faces) == [1, 5]
    assert chosen(FaceChoice(excluded=(5,)), faces) == [1, 3, 4]


@pytest.mark.parametrize("placed", [PlacedFace(390, 10, 40, 40), PlacedFace(-30, 10, 40, 40), PlacedFace(0, 0, 500, 10)])
def test_a_box_outside_the_photo_is_an_error_that_says_its_size(placed: PlacedFace) -> None:
    with pytest.raises(LaaError, match=r"a\.jpg has no place for the box .*: upright it is 400x300 px"):
        check_placed([placed], 400, 300, "a.jpg")
    check_placed([PlacedFace(-10, 270, 40, 40)], 400, 300, "a.jpg")


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5,6", "1,2,0,4", "1,2,nan,4", "a,b,c,d", "1,2,3,4,190", "inf,1,2,3"])
def test_what_is_no_box_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match=r"^at ") as caught:
        PlacedFace.parse(text)
    assert caught.value.for_command_line().startswith("--at")


def test_boxes_are_read_as_they_are_written() -> None:
    assert PlacedFace.parse("1,2.5,30,40") == PlacedFace(1, 2.5, 30, 40)
    turned = PlacedFace.parse("1,2.5,30,40,-12")
    assert (turned.roll_deg, turned.box_xyxy, str(turned)) == (-12, (1, 2.5, 31, 42.5), "1,2.5,30,40,-12")


def test_numbers_are_read_as_they_are_written() -> None:
    assert parse_numbers("1, 3", "faces") == (1, 3)
    assert parse_numbers(None, "faces") == ()
    for wrong in ("", "1,,2", "x", "1-3"):
        with pytest.raises(UsageError, match="faces must be numbers"):
            parse_numbers(wrong, "faces")
    with pytest.raises(UsageError, match="except must be numbers from 1 on"):
        FaceChoice(excluded=(0,))
    with pytest.raises(UsageError, match="person must be a name"):
        FaceChoice(persons=(" ",))
