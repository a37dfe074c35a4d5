"""The faces of a photo: whether each is worth restoring, its crop, and the patch that goes back."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from models.protocol import resize

from ..detect.filtering import face_frame
from ..detect.mtcnn import Face
from ..interfaces import RestoredFace
from ..options import Options
from ..photo.pixels import Floats, Pixels, to_floats, without_alpha
from .alignment import Square, crop_square, crop_upright, rotate_back, square_around
from .fidelity import LUMA
from .paste import Patch, feather_mask

MAX_LEFT_ROLL_DEG = 12.0  # heads that are rolled further are turned upright; the weights were trained up to there
MAX_YAW_RATIO = (
    0.5  # nose off the middle, in eye distances, from which a head is turned too far aside; 0.38 at most in 490 known faces
)


@dataclass(frozen=True)
class FaceReport:
    """A face, its crop in photo pixels, and what was done to it.

    `square`: the crop, turned clockwise about its middle by `roll_deg`. Of restored faces `fidelity` says how far what the
    network drew was brought to what the photo shows, 0..1, and `consistency` what difference is left: RMSE between the face,
    reduced to the photo's resolution, and the photo, 0..1.
    """

    face: Face
    square: Square
    restored: bool
    reason: str
    roll_deg: float = 0.0
    fidelity: float | None = None
    consistency: float | None = None


def assess(face: Face, options: Options) -> FaceReport:
    """Where a face's crop is, and whether it is worth the network."""
    roll_deg = estimate_roll_deg(face)
    if abs(roll_deg) <= MAX_LEFT_ROLL_DEG:
        roll_deg = 0.0
    square = square_around(face.box_xyxy, options.margin)
    refusal = skip_reason(face, square, options)
    turned = f", turned upright by {abs(roll_deg):.0f} degrees" if roll_deg else ""
    return FaceReport(face, square, not refusal, refusal or f"within --max-face {options.max_face_px:g}{turned}", roll_deg)


def skip_reason(face: Face, square: Square, options: Options) -> str:
    """Why a face is better left alone; empty where it is not."""
    if square.side > options.max_face_px:
        return f"larger than --max-face {options.max_face_px:g}"
    if yaw_ratio(face) > MAX_YAW_RATIO:
        return "turned too far aside: the weights have seen no such faces"
    return ""


def yaw_ratio(face: Face) -> float:
    """How far the nose is from the line between the middles of eyes and mouth, in eye distances: 0 seen from the front."""
    points = np.array(face.landmarks_xy)
    eyes, mouth = points[:2].mean(0), points[3:].mean(0)
    down, nose, across = mouth - eyes, points[2] - eyes, points[1] - points[0]
    sideways = abs(down[0] * nose[1] - down[1] * nose[0])
    return float(sideways / max(np.linalg.norm(down) * np.linalg.norm(across), 1e-9))


def estimate_roll_deg(face: Face) -> float:
    """The head's roll in degrees, clockwise on the screen: the mean of what the eyes say, and eyes and mouth."""
    left, right = face.landmarks_xy[:2]
    eyes_deg = math.degrees(math.atan2(right[1] - left[1], right[0] - left[0]))
    return (eyes_deg + face_frame(face.landmarks_xy)[3]) / 2


def extract_crop(pixels: Pixels, report: FaceReport) -> Tensor:
    """A face's crop from a photo (h, w, c) of any kind: (3, e, e) RGB in [0, 1], the head upright; alpha is ignored."""
    if report.roll_deg:
        crop = crop_upright(without_alpha(pixels), report.square, report.roll_deg)
    else:
        crop = crop_square(without_alpha(pixels), report.square)
    return torch.from_numpy(to_floats(crop)).permute(2, 0, 1).expand(3, -1, -1).contiguous()


def make_patch(face: Tensor, report: FaceReport, options: Options, channels: int) -> Patch:
    """A restored face (3, 128, 128) at its place and size in the enlarged photo, grey for a grey photo."""
    scale = options.scale
    square = Square(report.square.x * scale, report.square.y * scale, report.square.side * scale)
    values: Floats = resize(face[None], square.side)[0].clamp(0, 1).permute(1, 2, 0).numpy()
    if channels == 1:
        values = values @ np.array(LUMA, np.float32)[:, None]
    mask = feather_mask(square.side, options.feather)
    return Patch(*rotate_back(values, mask, square, report.roll_deg)) if report.roll_deg else Patch(square, values, mask)


def with_result(report: FaceReport, restored: RestoredFace) -> FaceReport:
    """The report of a face once the network has seen it."""
    if not restored.worthwhile:
        return replace(report, restored=False, reason="noisy for its size: better as it is", fidelity=restored.fidelity)
    return replace(report, fidelity=restored.fidelity, consistency=restored.consistency)
