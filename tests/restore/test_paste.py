"""Crop and paste: pixel centres, seams, overlaps, and what must stay untouched."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from laa_cli.detect.face import Face
from laa_cli.options import Options
from laa_cli.photo.pixels import to_floats
from laa_cli.photo.resample import enlarge
from laa_cli.restore.alignment import Square, crop_square, crop_upright, square_around
from laa_cli.restore.paste import Patch, feather_mask, paste
from laa_cli.restore.selection import FaceReport, extract_crop, make_patch
from models.protocol import HR_SIZE, resize

sides = st.integers(1, 40)
corners = st.integers(-50, 60)


def noise(height: int, width: int, channels: int = 3, kind: type = np.uint8) -> NDArray[np.generic]:
    return np.random.default_rng(0).integers(0, np.iinfo(kind).max, (height, width, channels), kind, endpoint=True)


def waves(height: int, width: int) -> NDArray[np.uint8]:
    """A photo of slow waves, steep enough for half a pixel of shift to show: up to 6 levels per pixel."""
    y, x = np.mgrid[:height, :width]
    return np.rint(127 + 110 * np.sin(x[..., None] / 20 + [0, 1, 2]) * np.cos(y[..., None] / 23)).astype(np.uint8)


def identity(crop: torch.Tensor) -> torch.Tensor:
    """A network that shows the crop itself."""
    return resize(crop[None], HR_SIZE)[0]


def report_of(square: Square, roll_deg: float = 0.0) -> FaceReport:
    """A face that is to be restored."""
    return FaceReport(Face((0.0, 0.0, 1.0, 1.0), 1.0, ((0.0, 0.0),) * 5), square, True, "", roll_deg)


def returned(photo: NDArray[np.uint8], square: Square, scale: int, roll_deg: float = 0.0) -> Patch:
    """What the identity network puts back."""
    report = report_of(square, roll_deg)
    return make_patch(identity(extract_crop(photo, report)), report, Options(scale=scale), 3)


def plain_patch(square: Square, value: float, feather: float, channels: int = 3) -> Patch:
    return Patch(square, np.full((square.side, square.side, channels), value, np.float32), feather_mask(square.side, feather))


@given(sides, corners, corners, st.integers(1, 30), st.integers(1, 30))
def test_cut_reflects_like_numpy(side: int, x: int, y: int, height: int, width: int) -> None:
    photo = noise(height, width)
    padded = np.pad(photo, ((120, 120), (120, 120), (0, 0)), mode="reflect" if min(height, width) > 1 else "edge")
    if min(height, width) == 1 and max(height, width) > 1:
        rows = np.pad(np.arange(height), 120, mode="reflect" if height > 1 else "edge")
        columns = np.pad(np.arange(width), 120, mode="reflect" if width > 1 else "edge")
        padded = photo[rows[:, None], columns]
    expected = padded[y + 120 : y + 120 + side, x + 120 : x + 120 + side]
    np.testing.assert_array_equal(crop_square(photo, Square(x, y, side)), expected)


@given(st.floats(-20, 100), st.floats(-20, 100), st.floats(1, 80), st.floats(1, 80))
def test_square_is_centred_on_the_box(x: float, y: float, width: float, height: float) -> None:
    square = square_around((x, y, x + width, y + height), 1.25)
    assert abs(square.side - 1.25 * max(width, height)) <= 0.5
    assert abs(square.x + square.side / 2 - (x + width / 2)) <= 0.5 + 1e-9
    assert abs(square.y + square.side / 2 - (y + height / 2)) <= 0.5 + 1e-9


@pytest.mark.parametrize(("side", "scale"), [(128, 1), (64, 2), (32, 4), (16, 8), (40, 1), (31, 2), (45, 4), (17, 8)])
def test_identity_network_leaves_the_photo(side: int, scale: int) -> None:
    """Bit-identical outside the faces and within 1/255 inside: no shift by half a pixel, at any size."""
    photo = waves(150, 170)
    squares = [Square(5, 3, side), Square(170 - side - 2, 150 - side - 9, side)]
    plain = enlarge(photo, scale)
    canvas = plain.copy()
    paste(canvas, [returned(photo, square, scale) for square in squares])
    inside = np.zeros(canvas.shape[:2], bool)
    for square in squares:
        inside[square.y * scale : (square.y + side) * scale, square.x * scale : (square.x + side) * scale] = True
    assert np.array_equal(canvas[~inside], plain[~inside])
    assert np.abs(canvas.astype(int) - plain).max() <= 1


@pytest.mark.parametrize("roll_deg", [-45, -20, 13, 30, 90])
@pytest.mark.parametrize(("side", "scale"), [(128, 1), (64, 2), (31, 4), (40, 2)])
def test_turned_faces_come_back_to_their_place(roll_deg: float, side: int, scale: int) -> None:
    """Within what two bicubic samplings lose, and the photo is untouched outside the turned square."""
    photo = waves(260, 240)
    square = Square(61, 67, side)
    plain = enlarge(photo, scale)
    canvas = plain.copy()
    paste(canvas, [returned(photo, square, scale, roll_deg)])
    assert np.abs(canvas.astype(int) - plain).max() <= 3
    middle = np.array([square.y + side / 2, square.x + side / 2]) * scale
    y, x = (axis + 0.5 - centre for axis, centre in zip(np.mgrid[: canvas.shape[0], : canvas.shape[1]], middle, strict=True))
    angle = np.radians(roll_deg)
    across, down = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    outside = np.maximum(np.abs(across), np.abs(down)) > side * scale / 2 + 1
    assert np.array_equal(canvas[outside], plain[outside])
    marked = make_patch(torch.ones(3, 128, 128), report_of(square, roll_deg), Options(scale=scale), 3)
    paste(canvas, [marked])
    inside = np.maximum(np.abs(across), np.abs(down)) < side * scale * 0.29
    assert (canvas[inside] == 255).all()


def test_a_rolled_head_is_cut_upright() -> None:
    """The photo turned clockwise and cut with that roll shows what the upright photo shows."""
    photo = waves(240, 240)
    square = Square(90, 90, 60)
    matrix = cv2.getRotationMatrix2D((119.5, 119.5), -30, 1)  # OpenCV counts anticlockwise
    turned = cv2.warpAffine(photo, matrix, (240, 240), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    assert np.abs(crop_upright(turned, square, 30).astype(int) - crop_square(photo, square)).max() <= 3


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_every_kind_of_photo_can_be_turned(channels: int, kind: type) -> None:
    photo = noise(60, 50, channels, kind)
    for square in (Square(-20, 30, 25), Square(45, 55, 90)):  # over the edge
        crop = extract_crop(photo, report_of(square, 33.0))
        assert crop.shape == (3, square.side, square.side)
        patch = make_patch(crop[:, :1, :1].expand(3, 128, 128), report_of(square, 33.0), Options(scale=2), min(channels, 3))
        assert patch.values.shape == (patch.square.side, patch.square.side, min(channels, 3))
        assert patch.mask.shape == (patch.square.side, patch.square.side)


def test_half_a_pixel_of_shift_would_be_noticed() -> None:
    photo = waves(150, 170)
    square = Square(20, 20, 64)
    canvas = enlarge(photo, 2)
    plain = canvas.copy()
    patch = returned(photo, square, 2)
    paste(canvas, [Patch(patch.square, np.roll(patch.values, 1, axis=1), patch.mask)])
    assert np.abs(canvas.astype(int) - plain).max() > 2


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_face_replaces_the_photo_in_its_middle_only(kind: type, channels: int) -> None:
    canvas = noise(90, 80, channels, kind)
    before = canvas.copy()
    paste(canvas, [plain_patch(Square(20, 30, 40), 0.5, 0.25, channels)])  # type: ignore[arg-type]
    assert (canvas[40:60, 30:50] == round(np.iinfo(kind).max / 2)).all()
    outside = np.ones((90, 80), bool)
    outside[30:70, 20:60] = False
    assert np.array_equal(canvas[outside], before[outside])


@given(st.lists(st.tuples(corners, corners, sides, st.floats(0, 1)), min_size=1, max_size=4), st.floats(0, 0.5))
@settings(max_examples=50)
def test_order_does_not_matter_and_no_colour_is_invented(faces: list[tuple[int, int, int, float]], feather: float) -> None:
    patches = [plain_patch(Square(x, y, side), value, feather) for x, y, side, value in faces]
    canvases = []
    for chosen in itertools.islice(itertools.permutations(patches), 6):
        canvas = np.full((50, 60, 3), 128, np.uint8)
        paste(canvas, list(chosen))
        canvases.append(canvas.astype(int))
    assert max(np.abs(canvas - canvases[0]).max() for canvas in canvases) <= 1
    values = [round(value * 255) for *_, value in faces] + [128]
    assert min(values) - 1 <= canvases[0].min()
    assert canvases[0].max() <= max(values) + 1


@pytest.mark.parametrize("feather", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("side", [5, 64, 129])
def test_mask_rises_smoothly_from_nothing(side: int, feather: float) -> None:
    mask = feather_mask(side, feather)
    rim = max(feather * side, 0.5)
    assert mask[0].max() <= 3 * (0.5 / rim) ** 2 + 1e-6
    assert np.array_equal(mask, mask.T)
    np.testing.assert_allclose(mask, mask[::-1, ::-1], atol=1e-6)
    assert np.abs(np.diff(mask, axis=0)).max() <= 1.5 / rim + 1e-6


def test_enlarging_matches_the_protocols_kernel_in_every_depth() -> None:
    photo = (noise(21, 17, 3) // 2 + 64).astype(np.uint8)  # no overshoot to clip, see the next test
    expected = resize(torch.from_numpy(to_floats(photo)).permute(2, 0, 1)[None], (84, 68))[0].clamp(0, 1)
    eight = enlarge(photo, 4)
    sixteen = enlarge((photo.astype(np.uint16) * 257), 4)
    # Two passes, each rounded, the first error weighted by up to 1.25 (the kernel's absolute sum): at most 1.13 levels.
    assert np.abs(eight - expected.permute(1, 2, 0).numpy() * 255).max() <= 1.13
    assert np.abs(sixteen - expected.permute(1, 2, 0).numpy() * 65535).max() <= 0.51


@pytest.mark.parametrize("channels", [1, 3])
def test_enlarging_8_bits_is_pillows_bicubic(channels: int) -> None:
    photo = noise(21, 17, channels)
    picture = Image.fromarray(photo if channels == 3 else photo[..., 0])
    expected = np.asarray(picture.resize((68, 84), Image.Resampling.BICUBIC)).reshape(84, 68, channels)
    assert np.abs(enlarge(photo, 4).astype(int) - expected).max() <= 2  # both round twice, see above


def test_hidden_colours_do_not_bleed_into_the_edges_of_what_shows() -> None:
    photo = np.zeros((8, 8, 4), np.uint8)
    photo[:, 4:] = (200, 100, 50, 255)  # what shows; the black on the left is transparent
    large = enlarge(photo, 4)
    shows = large[..., 3] > 8
    assert np.abs(large[shows][:, :3].astype(int) - (200, 100, 50)).max() <= 2
    assert large[..., 3].max() == 255
    assert large[..., 3].min() == 0
