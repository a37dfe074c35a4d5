"""ICC colour profiles: which pixels one is for, and small ones (v4, matrix/TRC) built from primaries and a transfer curve."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ImageCms

Chromaticity = tuple[float, float]  # CIE 1931 x, y
D50 = np.array([0.9642, 1.0, 0.8249])  # XYZ of the white that profiles refer to
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
HEADER_BYTES = 128
MAX_GAMMA = 10.0


@dataclass(frozen=True)
class Primaries:
    """The chromaticities of red, green, blue and white."""

    red: Chromaticity
    green: Chromaticity
    blue: Chromaticity
    white: Chromaticity = (0.3127, 0.3290)  # D65


@dataclass(frozen=True)
class Curve:
    """From an encoded value v to light: ((v + offset) / (1 + offset)) ** gamma from `linear_to` on, v / slope below it."""

    gamma: float
    offset: float = 0.0
    slope: float = 1.0
    linear_to: float = 0.0


def profile_space(icc: bytes | None) -> str | None:
    """Returns the colour space of an ICC profile: "RGB", "GRAY", "CMYK", "Lab"...; None of a damaged or missing profile."""
    if not icc:
        return None
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.xcolor_space.strip()
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def fitting_profile(icc: bytes | None, channels: int) -> bytes | None:
    """Returns the ICC profile if it describes pixels of that many channels, else None."""
    return icc if profile_space(icc) == ("GRAY" if channels <= 2 else "RGB") else None


def build_profile(primaries: Primaries, curve: Curve, channels: int, *, intent: int = 0) -> bytes:
    """Builds the profile of grey (1 or 2 channels) or RGB pixels (3 or 4); the same arguments give the same bytes.

    `intent`: the rendering intent, 0-3. Raises ValueError where no picture can have such primaries or such a curve.
    """
    if not 1 / MAX_GAMMA <= curve.gamma <= MAX_GAMMA:
        raise ValueError(f"no picture has a gamma of {curve.gamma}")
    grey = channels <= 2
    adaptation = adaptation_to_d50(xyz(primaries.white))
    tags = {b"desc": text_tag("laa"), b"cprt": text_tag("CC0"), b"wtpt": xyz_tag(D50), b"chad": matrix_tag(adaptation)}
    if grey:
        tags[b"kTRC"] = curve_tag(curve)
    else:
        colorants = adaptation @ rgb_to_xyz(primaries)
        tags |= {name: xyz_tag(colorants[:, index]) for index, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve_tag(curve))
    return serialize_profile(tags, b"GRAY" if grey else b"RGB ", intent)


def xyz(color: Chromaticity) -> NDArray[np.float64]:
    """Returns the XYZ of a chromaticity, with Y = 1. Raises ValueError where there is none."""
    x, y = color
    if not (0 <= x <= 1 and 0 < y <= 1):
        raise ValueError(f"{x}, {y} is no chromaticity")
    return np.array([x / y, 1.0, (1 - x - y) / y])


def rgb_to_xyz(primaries: Primaries) -> NDArray[np.float64]:
    """Returns the matrix from linear RGB to XYZ, whose white has Y = 1. Raises ValueError where the primaries span nothing."""
    colors = np.array([[x, y, 1 - x - y] for x, y in (primaries.red, primaries.green, primaries.blue)]).T
    if abs(np.linalg.det(colors)) < 1e-4:
        raise ValueError("the primaries lie on a line")
    matrix: NDArray[np.float64] = colors * np.linalg.solve(colors, xyz(primaries.white))
    return matrix


def adaptation_to_d50(white: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns Bradford's matrix of chromatic adaptation from a white, XYZ, to D50. Raises ValueError on an impossible white."""
    cones = BRADFORD @ white
    if (cones < 1e-3).any():
        raise ValueError("no picture has such a white")
    matrix: NDArray[np.float64] = np.linalg.inv(BRADFORD) @ np.diag(BRADFORD @ D50 / cones) @ BRADFORD
    return matrix


def serialize_profile(tags: dict[bytes, bytes], space: bytes, intent: int) -> bytes:
    """Serializes a display profile of version 4.3; equal tags are stored once."""
    start = HEADER_BYTES + 4 + 12 * len(tags)
    table, data, places = b"", b"", dict[bytes, int]()
    for name, content in tags.items():
        if content not in places:
            places[content] = start + len(data)
            data += content + bytes(-len(content) % 4)
        table += struct.pack(">4sII", name, places[content], len(content))
    header = struct.pack(">I4sI4s4s4s6H4s4sI", start + len(data), b"", 0x04300000, b"mntr", space, b"XYZ ",
                         2026, 1, 1, 0, 0, 0, b"acsp", b"", 0)  # fmt: skip
    header += struct.pack(">4s4sQI", b"", b"", 0, intent) + fixed(D50)
    return header.ljust(HEADER_BYTES, b"\0") + struct.pack(">I", len(tags)) + table + data


def fixed(values: NDArray[np.float64]) -> bytes:
    """Encodes numbers as signed 15.16 fixed point. Raises ValueError where one is too large."""
    scaled = np.rint(np.asarray(values, float).ravel() * 65536)
    if not (np.abs(scaled) < 2**31).all():
        raise ValueError("a number is too large for a profile")
    return scaled.astype(">i4").tobytes()


def xyz_tag(values: NDArray[np.float64]) -> bytes:
    """Builds a tag of one XYZ."""
    return b"XYZ \0\0\0\0" + fixed(values)


def matrix_tag(matrix: NDArray[np.float64]) -> bytes:
    """Builds a tag of a 3x3 matrix."""
    return b"sf32\0\0\0\0" + fixed(matrix)


def text_tag(text: str) -> bytes:
    """Builds a tag of text in English."""
    content = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(content), 28) + content


def curve_tag(curve: Curve) -> bytes:
    """Builds a tag of a parametric curve: a power, or a power with a line below it."""
    if curve.linear_to <= 0:
        return b"para\0\0\0\0" + struct.pack(">HH", 0, 0) + fixed(np.array([curve.gamma]))
    scale = 1 / (1 + curve.offset)
    numbers = np.array([curve.gamma, scale, curve.offset * scale, 1 / curve.slope, curve.linear_to])
    return b"para\0\0\0\0" + struct.pack(">HH", 3, 0) + fixed(numbers)
