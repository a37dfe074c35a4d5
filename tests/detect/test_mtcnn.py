"""Finding faces: on a photo that scikit-image brings along, and the rules on boxes and landmarks."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from laa_cli.detect import mtcnn as detect
from laa_cli.detect.filtering import (
    has_valid_aspect,
    is_nested,
    is_plausible,
    landmarks_inside,
    landmarks_ordered,
    non_max_suppression,
    overlap_ratios,
)
from laa_cli.detect.mtcnn import Face, MTCNNDetector
from laa_cli.restore.selection import estimate_roll_deg

# The astronaut's face by MTCNN at native size: 115 px, and 1/3, 1/5, 1/7 of that are 38, 23 and 16 px.
FACE = (181.0, 59.0, 268.0, 174.0)
UPRIGHT = ((30.0, 40.0), (70.0, 40.0), (50.0, 60.0), (35.0, 78.0), (65.0, 78.0))  # landmarks in BOX
BOX = (0.0, 0.0, 100.0, 110.0)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """On a busy machine threads wait for each other, for longer than these small photos take."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def detector(one_thread: None) -> MTCNNDetector:
    return MTCNNDetector(torch.device("cpu"))


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return data.astronaut()


def shrunk(rgb: np.ndarray, factor: float) -> np.ndarray:
    size = (round(rgb.shape[1] / factor), round(rgb.shape[0] / factor))
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC))


def only(faces: list[Face]) -> Face:
    assert len(faces) == 1, faces
    return faces[0]


def centre(face: Face) -> np.ndarray:
    box = np.array(face.box_xyxy)
    return (box[:2] + box[2:]) / 2


# --- a photo


def test_face_at_native_size(detector: MTCNNDetector, astronaut: np.ndarray) -> None:
    face = only(detector(astronaut))
    assert np.allclose(face.box_xyxy, FACE, atol=5)
    assert 0.99 < face.confidence <= 1
    assert is_plausible(face.box_xyxy, face.landmarks_xy)
    assert face.size_px == face.box_xyxy[3] - face.box_xyxy[1]


@pytest.mark.parametrize("factor", [512 / 171, 512 / 102, 512 / 73])
def test_small_face(detector: MTCNNDetector, astronaut: np.ndarray, factor: float) -> None:
    """Same place within 4 % of the face and half a photo pixel, same size within a tenth."""
    native, small = only(detector(astronaut)), only(detector(shrunk(astronaut, factor)))
    assert np.abs(centre(small) * factor - centre(native)).max() < 0.04 * native.size_px
    assert np.abs(centre(small) - centre(native) / factor).max() < max(0.5, 0.02 * small.size_px)
    assert small.size_px * factor == pytest.approx(native.size_px, rel=0.1)
    drift = np.array(small.landmarks_xy) * factor - np.array(native.landmarks_xy)
    assert np.abs(drift.mean(0)).max() < 0.03 * native.size_px


@pytest.mark.parametrize("factor", [1, 512 / 102, 512 / 73])
def test_mirror_image_gives_mirrored_face(detector: MTCNNDetector, astronaut: np.ndarray, factor: float) -> None:
    """Any half-pixel error of the mapping would show twice."""
    rgb = shrunk(astronaut, factor)
    face, mirrored = only(detector(rgb)), only(detector(np.ascontiguousarray(rgb[:, ::-1])))
    both = (centre(face) + centre(mirrored))[0] / 2 - rgb.shape[1] / 2
    assert abs(both) < max(0.15, 0.01 * face.size_px)
    eyes = face.landmarks_xy[0][0] + mirrored.landmarks_xy[1][0]  # the left one and what the mirror makes of it
    assert eyes == pytest.approx(rgb.shape[1], abs=0.05 * face.size_px + 0.3)


@pytest.mark.parametrize("degrees", [-45, -30, 30, 45])
@pytest.mark.parametrize("size", [128, 85])
def test_rolled_heads_are_found_at_their_place(detector: MTCNNDetector, astronaut: np.ndarray, degrees: int, size: int) -> None:
    """Clockwise is positive; the box is as large as the upright head's."""
    around = np.asarray(Image.fromarray(astronaut[:232, 108:340]).resize((size, size), Image.Resampling.BICUBIC))
    upright = only(detector(around))
    turned = np.asarray(Image.fromarray(around).rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=(120, 110, 100)))
    face = only(detector(turned))
    assert estimate_roll_deg(face) == pytest.approx(estimate_roll_deg(upright) + degrees, abs=8)
    assert face.size_px == pytest.approx(upright.size_px, rel=0.1)
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    expected = turn @ (centre(upright) - size / 2) + size / 2
    assert np.abs(centre(face) - expected).max() < 0.06 * upright.size_px + 0.5


def test_enlarged_photo(detector: MTCNNDetector, astronaut: np.ndarray) -> None:
    large = np.asarray(Image.fromarray(astronaut[:256, 96:352]).resize((1024, 1024), Image.Resampling.BICUBIC))
    face = only(detector(large))
    assert np.allclose(np.array(face.box_xyxy) / 4 + (96, 0, 96, 0), FACE, atol=6)


def test_grey_photo(detector: MTCNNDetector, astronaut: np.ndarray) -> None:
    grey = np.asarray(Image.fromarray(shrunk(astronaut, 3)).convert("L"))
    face = only(detector(np.repeat(grey[..., None], 3, 2)))
    assert np.allclose(np.array(face.box_xyxy) * 3, FACE, atol=8)


def test_two_faces_of_different_size(detector: MTCNNDetector, astronaut: np.ndarray) -> None:
    scene = shrunk(data.coffee(), 2).copy()
    scene[20:191, 5:176] = shrunk(astronaut, 512 / 171)
    scene[100:173, 200:273] = shrunk(astronaut, 512 / 73)
    faces = sorted(detector(scene), key=lambda face: face.size_px)
    assert len(faces) == 2
    for face, scale, corner in zip(faces, (512 / 73, 512 / 171), ((200, 100), (5, 20)), strict=True):
        expected = (np.array(FACE[:2]) + FACE[2:]) / 2 / scale + corner
        assert np.abs(centre(face) - expected).max() < 1.5


def test_sorted_and_the_same_each_time(detector: MTCNNDetector, astronaut: np.ndarray) -> None:
    small = shrunk(astronaut, 4)
    scene = np.concatenate([small, shrunk(small, 1.0)[:, ::-1], small], 1)
    faces = detector(scene)
    assert len(faces) == 3
    assert [face.confidence for face in faces] == sorted((face.confidence for face in faces), reverse=True)
    assert detector(scene) == faces


@pytest.mark.parametrize("name", ["coffee", "chelsea", "brick", "grass"])
def test_no_face(detector: MTCNNDetector, name: str) -> None:
    rgb = getattr(data, name)()
    assert detector(np.ascontiguousarray(np.broadcast_to(rgb.reshape(*rgb.shape[:2], -1), (*rgb.shape[:2], 3)))) == []


@pytest.mark.parametrize("colour", [0, 127, 255])
def test_flat_photo(detector: MTCNNDetector, colour: int) -> None:
    assert detector(np.full((60, 90, 3), colour, np.uint8)) == []


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (300, 5), (11, 11), (1, 4000), (12, 12), (13, 400), (400, 12), (25, 31)])
def test_tiny_photo(detector: MTCNNDetector, size: tuple[int, int]) -> None:
    """A corner of the astronaut's flag: no face, and no crash."""
    assert detector(np.ascontiguousarray(np.resize(data.astronaut()[:100, :100], (*size, 3)))) == []


# --- strips and levels


@pytest.mark.parametrize("rows", [12, 14, 40])
def test_strips_change_nothing(
    detector: MTCNNDetector, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """Wherever a face is cut by strips, it is found once and in the same place."""
    rgb = shrunk(astronaut, 4)
    whole = only(detector(rgb))
    monkeypatch.setattr(detect, "STRIP_PX", rows * 160)
    assert np.allclose(only(detector(rgb)).box_xyxy, whole.box_xyxy, atol=0.6)


def test_every_cell_is_proposed_once(detector: MTCNNDetector, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without suppression, strips propose exactly what the whole level does."""
    rgb = shrunk(astronaut, 6)
    monkeypatch.setattr(detector, "nms", lambda boxes, scores, limit: torch.arange(len(boxes)))
    whole = detector.run_pnet(rgb)
    monkeypatch.setattr(detect, "STRIP_PX", 1)
    strips = detector.run_pnet(rgb)
    assert len(whole) == len(strips) > 10
    assert torch.allclose(whole.sort(0)[0], strips.sort(0)[0], atol=1e-3)


def test_levels_are_bounded(detector: MTCNNDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    rgb = np.zeros((300, 400, 3), np.uint8)
    sizes = [level.shape[:2] for level in detector.pnet_pyramid(rgb)]
    assert sizes[0] == (375, 500)  # 9.6 px, the box of a face of 12 px, fill 12
    assert min(sizes[-1]) >= 12
    monkeypatch.setattr(detect, "LEVEL_PX", 30_000)
    assert next(detector.pnet_pyramid(rgb)).shape[:2] == (150, 200)


# --- options


def test_smallest_face_is_respected(astronaut: np.ndarray) -> None:
    rgb = shrunk(astronaut, 4)  # 29 px
    assert len(MTCNNDetector(torch.device("cpu"), min_face_px=30)(rgb)) == 1
    assert MTCNNDetector(torch.device("cpu"), min_face_px=60)(rgb) == []


# --- rules


def turned(points: tuple[tuple[float, float], ...], degrees: float) -> list[tuple[float, float]]:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [(50 + (x - 50) * cos - (y - 55) * sin, 55 + (x - 50) * sin + (y - 55) * cos) for x, y in points]


@given(st.floats(-55, 55))
def test_rolled_heads_are_plausible(degrees: float) -> None:
    assert is_plausible(BOX, turned(UPRIGHT, degrees))


@given(st.floats(70, 290))
def test_heads_on_their_side_are_not(degrees: float) -> None:
    assert not landmarks_ordered(BOX, turned(UPRIGHT, degrees))


@given(st.floats(0.3, 1), st.floats(-1, 1))
def test_turned_heads_are_plausible(narrow: float, aside: float) -> None:
    """Towards a profile the points draw together across the face, and the nose leaves their middle."""
    points = [(50 + (x - 50) * narrow + aside * 25, y) for x, y in UPRIGHT]
    points[2] = (points[2][0] + aside * 15, points[2][1])
    assert is_plausible(BOX, points)


@given(st.floats(-1000, 1000), st.floats(-1000, 1000), st.floats(0.1, 50))
def test_plausibility_knows_no_place_and_size(x: float, y: float, scale: float) -> None:
    box = (x, y, x + 100 * scale, y + 110 * scale)
    assert is_plausible(box, [(x + px * scale, y + py * scale) for px, py in UPRIGHT])
    assert not is_plausible(box, [(x + px * scale, y - py * scale) for px, py in UPRIGHT])


@pytest.mark.parametrize(
    ("index", "point"),
    [
        (2, (50.0, 30.0)),  # nose above the eyes
        (2, (50.0, 90.0)),  # nose below the mouth
        (0, (72.0, 40.0)),  # eyes swapped
        (1, (32.0, 40.0)),  # both eyes in one place
        (0, (-20.0, 40.0)),  # outside
        (1, (105.0, 40.0)),  # eyes too far apart, though inside
    ],
)
def test_implausible_landmarks(index: int, point: tuple[float, float]) -> None:
    points = list(UPRIGHT)
    points[index] = point
    assert not is_plausible(BOX, points)


def test_points_in_one_place_are_no_face() -> None:
    assert not landmarks_ordered(BOX, [(50.0, 50.0)] * 5)


@pytest.mark.parametrize("box", [(0, 0, 0, 10), (0, 0, 10, 0), (10, 10, 0, 0), (0, 0, 10, 21), (0, 0, 21, 10)])
def test_unsound_boxes(box: tuple[float, float, float, float]) -> None:
    assert not has_valid_aspect(box)
    assert not is_plausible(box, [(0.0, 0.0)] * 5)


def test_points_may_be_a_little_outside() -> None:
    assert landmarks_inside(BOX, [(-10.0, 50.0), (110.0, 120.0)])
    assert not landmarks_inside(BOX, [(-12.0, 50.0)])


boxes = st.builds(
    lambda x, y, w, h: (x, y, x + w, y + h), st.floats(0, 50), st.floats(0, 50), st.floats(1, 60), st.floats(1, 60)
)


@given(boxes, boxes)
def test_overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> None:
    iou, share = overlap_ratios(one, other)
    assert (iou, share) == overlap_ratios(other, one)
    assert 0 <= iou <= share + 1e-9 <= 1 + 2e-9
    assert overlap_ratios(one, one) == pytest.approx((1, 1))


@given(st.lists(st.tuples(boxes, st.floats(0, 1)), max_size=12), st.randoms())
def test_distinct(found: list[tuple[tuple[float, float, float, float], float]], random: object) -> None:
    """What is kept overlaps little, has nothing nested, and does not depend on the order given."""
    kept = non_max_suppression([box for box, _ in found], [confidence for _, confidence in found])
    chosen = [found[index] for index in kept]
    assert [c for _, c in chosen] == sorted((c for _, c in chosen), reverse=True)
    for place, (box, _) in enumerate(chosen):
        for other, _ in chosen[place + 1 :]:
            assert overlap_ratios(box, other)[0] <= 0.4
            assert not is_nested(box, other)
            assert not is_nested(other, box)
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = non_max_suppression([box for box, _ in shuffled], [confidence for _, confidence in shuffled])
    assert [shuffled[index] for index in again] == chosen
    assert bool(found) == bool(kept)


def test_of_duplicates_the_surer_stays() -> None:
    assert non_max_suppression([(0, 0, 100, 100), (5, 5, 105, 105)], [0.96, 0.99]) == [1]


def test_nested_boxes_go_even_when_surer() -> None:
    assert non_max_suppression([(0, 0, 100, 100), (20, 20, 50, 50)], [0.96, 0.99]) == [0]


def test_neighbours_stay() -> None:
    assert non_max_suppression([(0, 0, 100, 100), (80, 0, 180, 100), (90, 90, 120, 120)], [0.96, 0.99, 0.95]) == [1, 0, 2]
