"""Face detection with MTCNN, on a photo that scikit-image brings along."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from laa_cli.detect import candidates
from laa_cli.detect.boxes import suppress_overlaps
from laa_cli.detect.face import Face, estimate_roll_deg
from laa_cli.detect.filtering import is_plausible, overlap_ratios
from laa_cli.detect.mtcnn import MTCNNDetector
from laa_cli.errors import LaaError, UsageError

# The astronaut's face by MTCNN at native size: 115 px, and 1/3, 1/5, 1/7 of that are 38, 23 and 16 px.
FACE = (181.0, 59.0, 268.0, 174.0)


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


# --- tiles and levels


@pytest.mark.parametrize("cells", [1, 2, 15])
def test_tiles_change_nothing(
    detector: MTCNNDetector, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch, cells: int
) -> None:
    """Wherever a face is cut by tiles, it is found once and in the same place."""
    rgb = shrunk(astronaut, 4)
    whole = only(detector(rgb))
    monkeypatch.setattr(detector.finder.proposer, "tile_cells", cells)
    assert np.allclose(only(detector(rgb)).box_xyxy, whole.box_xyxy, atol=0.6)


def test_any_number_of_threads_finds_the_same(detector: MTCNNDetector, astronaut: np.ndarray) -> None:
    rgb = np.tile(shrunk(astronaut, 3), (2, 3, 1))
    alone = detector(rgb)
    torch.set_num_threads(3)
    try:
        assert detector(rgb) == alone
    finally:
        torch.set_num_threads(1)
    assert len(alone) == 6


def test_levels_are_bounded(detector: MTCNNDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    rgb = np.zeros((300, 400, 3), np.uint8)
    sizes = [level.shape[:2] for level in detector.finder.pnet_pyramid([rgb])]
    assert sizes[0] == (417, 556)  # 8.64 px, nine tenths of the box of a face of 12 px, fill 12
    assert min(sizes[-1]) >= 12
    monkeypatch.setattr(candidates, "LEVEL_PX", 30_000)
    assert next(detector.finder.pnet_pyramid([rgb])).shape[:2] == (150, 200)


# --- options


@pytest.mark.parametrize("value", [0, -3, 5, math.inf, math.nan])
def test_wrong_smallest_face(value: float) -> None:
    with pytest.raises(UsageError, match="8 px or more"):
        MTCNNDetector(torch.device("cpu"), min_face_px=value)


@pytest.mark.parametrize("confidence", [-0.1, 1.1, math.nan])
def test_wrong_confidence(confidence: float) -> None:
    with pytest.raises(UsageError, match="from 0 to 1"):
        MTCNNDetector(torch.device("cpu"), confidence=confidence)


def test_smallest_face_is_respected(astronaut: np.ndarray) -> None:
    rgb = shrunk(astronaut, 4)  # 29 px
    assert len(MTCNNDetector(torch.device("cpu"), min_face_px=30)(rgb)) == 1
    assert MTCNNDetector(torch.device("cpu"), min_face_px=60)(rgb) == []


# --- the networks and their weights


def test_its_weights_are_found_without_importing_their_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert (candidates.find_weights() / "pnet.pt").is_file()
    monkeypatch.setattr(candidates, "find_spec", lambda name: None)
    with pytest.raises(LaaError, match=r"facenet-pytorch is not installed.*: install facenet-pytorch"):
        MTCNNDetector(torch.device("cpu"))
    monkeypatch.setattr(candidates, "find_weights", lambda: tmp_path)
    for content in (None, b"", b"no weights", b"PK\x03\x04"):
        if content is not None:
            (tmp_path / "pnet.pt").write_bytes(content)
        with pytest.raises(LaaError, match=r"cannot detect faces \(.*pnet\.pt.*\): install facenet-pytorch"):
            MTCNNDetector(torch.device("cpu"))


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 40), max_iou=st.sampled_from([0.3, 0.5, 0.7]))
def test_overlapping_boxes_are_suppressed_as_by_the_definition(seed: int, count: int, max_iou: float) -> None:
    random = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=random) * 40
    boxes = torch.cat([corner, corner + 5 + 20 * torch.rand(count, 2, generator=random)], 1)
    scores = 0.05 + 0.9 * torch.rand(count, generator=random)
    kept: list[int] = []
    for index in scores.argsort(descending=True).tolist():
        if all(overlap_ratios(tuple(boxes[index].tolist()), tuple(boxes[other].tolist()))[0] <= max_iou for other in kept):
            kept.append(index)
    assert suppress_overlaps(boxes, scores, max_iou).tolist() == kept


def test_a_face_is_framed_where_somebody_says_it_is(detector: MTCNNDetector, astronaut: np.ndarray) -> None:
    for factor in (1, 5, 8):  # at 8 the face is smaller than what is looked for
        small = shrunk(astronaut, factor)
        box = tuple(value / factor for value in FACE)
        wide = (box[0] - 0.15 * (box[2] - box[0]), box[1] - 0.2 * (box[3] - box[1]), box[2] + 2, box[3])
        seen = detector.look_at(small, [wide, box])
        assert all(face is not None and overlap_ratios(face.box_xyxy, box)[0] > 0.6 for face in seen)
        assert all(abs(estimate_roll_deg(face)) < 15 for face in seen if face)


def test_where_there_is_no_face_there_is_none_or_little_confidence(detector: MTCNNDetector, astronaut: np.ndarray) -> None:
    assert detector.look_at(astronaut, []) == []
    sky = (300.0, 300.0, 360.0, 360.0)
    for face in detector.look_at(astronaut, [sky, (-40.0, -40.0, 20.0, 20.0)]):
        assert face is None or (face.confidence is not None and face.confidence < 0.5)
