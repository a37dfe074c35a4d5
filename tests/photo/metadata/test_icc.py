"""ICC profiles that are built: a colour management system (lcms) reads from them the colours that they should say."""

from __future__ import annotations

import io

import numpy as np
import pytest
from fakes import SRGB
from PIL import Image, ImageCms

from laa_cli.photo.metadata.color_signals import BT709, BT709_CURVE, PRIMARIES, SRGB_CURVE
from laa_cli.photo.metadata.icc import Curve, Primaries, build_profile, fitting_profile, profile_space

COLORS = np.array([[120, 130, 90], [200, 180, 160], [90, 100, 140], [128, 128, 128], [255, 255, 255], [0, 0, 0]], np.uint8)


def to_linear(values: np.ndarray, curve: Curve) -> np.ndarray:
    power = np.maximum((values + curve.offset) / (1 + curve.offset), 0) ** curve.gamma
    return np.where(values < curve.linear_to, values / curve.slope, power)


def from_linear(light: np.ndarray, curve: Curve) -> np.ndarray:
    grid = np.linspace(0, 1, 100_001)
    return np.interp(light, to_linear(grid, curve), grid)


def matrix(primaries: Primaries) -> np.ndarray:
    """RGB to XYZ, by the textbook."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in (primaries.red, primaries.green, primaries.blue)]).T
    x, y = primaries.white
    return columns * np.linalg.solve(columns, [x / y, 1, (1 - x - y) / y])


def managed(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    """Converts pixels to sRGB by lcms."""
    image = Image.fromarray(pixels)
    source, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.ImageCmsProfile(io.BytesIO(SRGB))
    converted = ImageCms.profileToProfile(image, source, target, renderingIntent=1, outputMode="RGB")
    assert converted is not None
    return np.asarray(converted).astype(int)


@pytest.mark.parametrize("curve", [SRGB_CURVE, BT709_CURVE, Curve(1.0), Curve(2.2), Curve(1 / 0.45455)])
@pytest.mark.parametrize("number", [1, 5, 6, 9, 12, 22])  # those whose white is sRGB's
def test_colours_by_lcms(number: int, curve: Curve) -> None:
    profile = build_profile(PRIMARIES[number], curve, 3)
    light = to_linear(COLORS / 255, curve) @ (np.linalg.inv(matrix(BT709)) @ matrix(PRIMARIES[number])).T
    inside = ((light > -0.002) & (light < 1.002)).all(axis=1)
    expected = np.rint(255 * from_linear(light.clip(0, 1), SRGB_CURVE))
    assert inside.sum() >= 4
    off = np.abs(managed(COLORS[None], profile)[0] - expected)[inside]
    assert off.max() <= (3 if curve.gamma == 1 else 1)  # one level of linear light is several of sRGB


@pytest.mark.parametrize("curve", [SRGB_CURVE, Curve(2.2), Curve(1.0)])
def test_grey_by_lcms(curve: Curve) -> None:
    levels = np.arange(0, 256, 15, dtype=np.uint8)[None]
    expected = np.rint(255 * from_linear(to_linear(levels / 255, curve), SRGB_CURVE))
    shown = managed(levels, build_profile(BT709, curve, 1))
    assert np.abs(shown - expected[..., None]).max() <= 1


@pytest.mark.parametrize("number", PRIMARIES)
def test_white_is_white(number: int) -> None:
    white = np.full((1, 1, 3), 255, np.uint8)
    assert managed(white, build_profile(PRIMARIES[number], SRGB_CURVE, 3)).min() >= 254


def test_the_same_profile_has_the_same_bytes() -> None:
    assert build_profile(BT709, SRGB_CURVE, 3) == build_profile(BT709, SRGB_CURVE, 4)
    assert profile_space(build_profile(BT709, SRGB_CURVE, 2)) == "GRAY"
    assert fitting_profile(build_profile(BT709, SRGB_CURVE, 3), 1) is None


@pytest.mark.parametrize(
    ("primaries", "curve"),
    [
        (BT709, Curve(0.001)),
        (BT709, Curve(1000.0)),
        (Primaries((0.3, 0.3), (0.4, 0.4), (0.5, 0.5)), SRGB_CURVE),
        (Primaries((0, 0), (0, 0), (0, 0), (0, 0)), SRGB_CURVE),
        (Primaries(BT709.red, BT709.green, BT709.blue, (0.3, 0.0)), SRGB_CURVE),
        (Primaries(BT709.red, BT709.green, BT709.blue, (40000.0, 3.0)), SRGB_CURVE),
    ],
)
def test_what_no_picture_can_have(primaries: Primaries, curve: Curve) -> None:
    with pytest.raises(ValueError, match=r"."):
        build_profile(primaries, curve, 3)
