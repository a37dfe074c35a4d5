"""Pasting: pixel centres, seams, overlaps, and what must stay untouched."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from fakes import noise_pixels, wave_pixels
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from laa_cli.options import Options
from laa_cli.photo.resample import enlarge
from laa_cli.restore.alignment import Square, extract_crop
from laa_cli.restore.paste import Patch, feather_mask, make_patch, paste
from models.protocol import HR_SIZE, resize

sides = st.integers(1, 40)
corners = st.integers(-50, 60)


def identity(crop: torch.Tensor) -> torch.Tensor:
    """A network that shows the crop itself."""
    return resize(crop[None], HR_SIZE)[0]


def make(face: torch.Tensor, square: Square, scale: int, roll_deg: float = 0.0, channels: int = 3) -> Patch:
    return make_patch(face, square, roll_deg, scale=scale, feather=Options().feather, channels=channels)


def restore_identically(photo: NDArray[np.uint8], square: Square, scale: int, roll_deg: float = 0.0) -> Patch:
    """The patch of a network that changes nothing."""
    return make(identity(extract_crop(photo, square, roll_deg)), square, scale, roll_deg)


def plain_patch(square: Square, value: float, feather: float, channels: int = 3) -> Patch:
    return Patch(square, np.full((square.side, square.side, channels), value, np.float32), feather_mask(square.side, feather))


@pytest.mark.parametrize(("side", "scale"), [(128, 1), (64, 2), (32, 4), (16, 8), (40, 1), (31, 2), (45, 4), (17, 8)])
def test_identity_network_leaves_the_photo(side: int, scale: int) -> None:
    """Bit-identical outside the faces and within 1/255 inside: no shift by half a pixel, at any size."""
    photo = wave_pixels(150, 170)
    squares = [Square(5, 3, side), Square(170 - side - 2, 150 - side - 9, side)]
    plain = enlarge(photo, scale)
    canvas = plain.copy()
    paste(canvas, [restore_identically(photo, square, scale) for square in squares])
    inside = np.zeros(canvas.shape[:2], bool)
    for square in squares:
        inside[square.y * scale : (square.y + side) * scale, square.x * scale : (square.x + side) * scale] = True
    assert np.array_equal(canvas[~inside], plain[~inside])
    assert np.abs(canvas.astype(int) - plain).max() <= 1


@pytest.mark.parametrize("roll_deg", [-45, -20, 13, 30, 90])
@pytest.mark.parametrize(("side", "scale"), [(128, 1), (64, 2), (31, 4), (40, 2)])
def test_turned_faces_come_back_to_their_place(roll_deg: float, side: int, scale: int) -> None:
    """Within what two bicubic samplings lose, and the photo is untouched outside the turned square."""
    photo = wave_pixels(260, 240)
    square = Square(61, 67, side)
    plain = enlarge(photo, scale)
    canvas = plain.copy()
    paste(canvas, [restore_identically(photo, square, scale, roll_deg)])
    assert np.abs(canvas.astype(int) - plain).max() <= 3
    middle = np.array([square.y + side / 2, square.x + side / 2]) * scale
    y, x = (axis + 0.5 - centre for axis, centre in zip(np.mgrid[: canvas.shape[0], : canvas.shape[1]], middle, strict=True))
    angle = np.radians(roll_deg)
    across, down = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    outside = np.maximum(np.abs(across), np.abs(down)) > side * scale / 2 + 1
    assert np.array_equal(canvas[outside], plain[outside])
    paste(canvas, [make(torch.ones(3, 128, 128), square, scale, roll_deg)])
    inside = np.maximum(np.abs(across), np.abs(down)) < side * scale * 0.29
    assert (canvas[inside] == 255).all()


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_every_kind_of_photo_can_be_turned(channels: int, kind: type) -> None:
    photo = noise_pixels(channels, kind, 60, 50)
    for square in (Square(-20, 30, 25), Square(45, 55, 90)):  # over the edge
        crop = extract_crop(photo, square, 33.0)
        assert crop.shape == (3, square.side, square.side)
        patch = make(crop[:, :1, :1].expand(3, 128, 128), square, 2, 33.0, min(channels, 3))
        assert patch.values.shape == (patch.square.side, patch.square.side, min(channels, 3))
        assert patch.mask.shape == (patch.square.side, patch.square.side)


def test_half_a_pixel_of_shift_would_be_noticed() -> None:
    photo = wave_pixels(150, 170)
    square = Square(20, 20, 64)
    canvas = enlarge(photo, 2)
    plain = canvas.copy()
    patch = restore_identically(photo, square, 2)
    paste(canvas, [Patch(patch.square, np.roll(patch.values, 1, axis=1), patch.mask)])
    assert np.abs(canvas.astype(int) - plain).max() > 2


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_face_replaces_the_photo_in_its_middle_only(kind: type, channels: int) -> None:
    canvas = noise_pixels(channels, kind, 90, 80)
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
