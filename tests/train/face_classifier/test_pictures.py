"""The pictures in which the face classifier's training crops are found."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from laa_cli.train.corruptions import cubic
from laa_cli.train.face_classifier.pictures import CROP_PX, cut_square, draw_view, paste_face, resize, rotate

GREY = torch.full((3, 90, 120), 128, dtype=torch.uint8)
WHITE = torch.full((3, 144, 144), 255, dtype=torch.uint8)


@given(seed=st.integers(0, 2**32 - 1))
def test_a_face_is_in_the_middle_and_as_large_as_is_said(seed: int) -> None:
    picture, crop_px = paste_face(WHITE, GREY, torch.Generator().manual_seed(seed))
    assert picture.dtype == torch.uint8
    assert picture.shape[1] == picture.shape[2] >= 48
    assert CROP_PX[0] <= crop_px <= CROP_PX[1]
    light = picture.float().mean(0) - 128
    place = torch.arange(len(light)) + 0.5
    middle = torch.stack([light.sum(1 - axis) @ place for axis in (0, 1)]) / light.sum()
    assert (middle - len(light) / 2).abs().max() < 1.5
    assert (light.sum() / 127).sqrt().item() == pytest.approx(1.125 * crop_px, rel=0.12, abs=1.2)


@given(seed=st.integers(0, 2**32 - 1))
def test_views_are_pictures_of_the_photo(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    photo = torch.randint(100, 156, (3, 70, 200), generator=random, dtype=torch.uint8)
    view = draw_view(photo, random)
    assert view.dtype == torch.uint8
    assert min(view.shape[1:]) >= 48
    assert view.float().mean().item() == pytest.approx(128, abs=4)
    assert torch.equal(
        draw_view(photo, torch.Generator().manual_seed(seed)), draw_view(photo, torch.Generator().manual_seed(seed))
    )


@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 60), width=st.integers(1, 60), side=st.integers(1, 100))
def test_squares_of_any_size_are_cut_from_any_photo(seed: int, height: int, width: int, side: int) -> None:
    photo = torch.arange(height * width).view(1, height, width).expand(3, -1, -1)
    square = cut_square(photo, side, torch.Generator().manual_seed(seed))
    assert square.shape == (3, side, side)
    rows, columns = square[0] // width, square[0] % width
    assert (rows.diff(dim=0).abs() <= 1).all()
    assert (columns.diff(dim=1).abs() <= 1).all()
    if side <= min(height, width):
        assert (rows.diff(dim=0) == 1).all()


def test_a_picture_is_rotated_clockwise() -> None:
    picture = torch.zeros(3, 64, 64)
    picture[:, 8:12, 30:34] = 1  # above the middle
    right = rotate(picture, 90)[0]
    assert right[30:34, 52:56].mean() > 0.9
    assert torch.allclose(rotate(picture, 0), picture, atol=1e-5)


def test_sizes_need_not_be_square() -> None:
    ramp = torch.arange(40.0).expand(3, 20, 40) / 40
    small = resize(ramp, (10, 20), cubic)
    assert small.shape == (3, 10, 20)
    assert torch.allclose(small[:, :, 3:-3], ramp[:, ::2, ::2][:, :, 3:-3] + 0.5 / 40, atol=1e-3)
