"""Detections, tags and boxes placed by hand, joined to the faces of a photo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes import MIDDLE, FakeDetector
from hypothesis import given
from hypothesis import strategies as st

from laa_cli.detect.face import DETECTOR, PLACED, TAG, Face, estimate_roll_deg, yaw_ratio
from laa_cli.options import Options, PlacedFace
from laa_cli.photo import FaceTag
from laa_cli.restore.known_faces import find_faces, match_tags
from laa_cli.restore.selection import assess

RGB = np.zeros((400, 400, 3), np.uint8)
OTHER = replace(MIDDLE, box_xyxy=(200.0, 20.0, 260.0, 80.0))


def boxes() -> st.SearchStrategy[tuple[float, float, float, float]]:
    corner, side = st.integers(0, 300), st.integers(1, 90)
    return st.tuples(corner, corner, side, side).map(lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3]))


def test_a_detection_has_the_name_of_the_tag_that_lies_there() -> None:
    tags = [FaceTag("Ben", (190.0, 0.0, 280.0, 100.0)), FaceTag("", (30.0, 30.0, 150.0, 150.0))]
    faces = find_faces(FakeDetector([MIDDLE, OTHER]), RGB, tags)
    assert [(face.name, face.source) for face in faces] == [("", DETECTOR), ("Ben", DETECTOR)]
    assert [face.box_xyxy for face in faces] == [MIDDLE.box_xyxy, OTHER.box_xyxy]


def test_a_tag_without_a_detection_is_a_face_framed_as_the_detector_sees_it_there() -> None:
    tag, blind = FaceTag("Ada", (200.0, 200.0, 300.0, 300.0)), FaceTag("Eve", (10.0, 300.0, 40.0, 330.0))
    seen = replace(MIDDLE, box_xyxy=(215.0, 215.0, 285.0, 300.0), confidence=0.1)
    faces = find_faces(FakeDetector([MIDDLE], {tag.box_xyxy: seen}), RGB, [tag, blind], [PlacedFace(0, 0, 20, 20, 30)])
    assert [(face.name, face.source) for face in faces] == [("", DETECTOR), ("Ada", TAG), ("Eve", TAG), ("", PLACED)]
    assert faces[1] == replace(seen, name="Ada", source=TAG)
    assert faces[2] == Face(blind.box_xyxy, None, (), TAG, "Eve")
    assert assess(faces[3], Options()).roll_deg == 30


def test_what_the_detector_sees_elsewhere_does_not_count() -> None:
    tag = FaceTag("Ada", (200.0, 200.0, 300.0, 300.0))
    faces = find_faces(FakeDetector([], {tag.box_xyxy: MIDDLE}), RGB, [tag])
    assert [face.box_xyxy for face in faces] == [tag.box_xyxy]


def test_faces_without_landmarks_are_upright_and_frontal() -> None:
    face = Face((0.0, 0.0, 40.0, 50.0), None, ())
    assert (estimate_roll_deg(face), yaw_ratio(face)) == (0, 0)
    assert assess(face, Options()).restored


@given(st.lists(boxes(), max_size=6), st.lists(boxes(), max_size=6))
def test_each_detection_matches_one_tag_at_most_and_each_tag_one_detection(found: list, tagged: list) -> None:
    faces = [replace(MIDDLE, box_xyxy=box) for box in found]
    matches = match_tags(faces, [FaceTag(str(number), box) for number, box in enumerate(tagged)])
    assert len(set(matches.values())) == len(matches)
    for number, box in enumerate(tagged):
        if box in found and number not in matches.values():  # then another tag took it
            assert any(tagged[other] == box for other in matches.values())


@pytest.mark.parametrize("count", [0, 3])
def test_nothing_is_looked_at_where_no_tag_is_missed(count: int) -> None:
    class Blind(FakeDetector):
        def look_at(self, rgb: object, boxes: object) -> list[Face | None]:
            raise AssertionError

    tags = [FaceTag("Ada", MIDDLE.box_xyxy)] * (count > 0)
    assert len(find_faces(Blind([MIDDLE]), RGB, tags)) == 1
