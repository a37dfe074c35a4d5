"""A detected face, and the geometry of its box and its five landmarks: size, own frame, roll and yaw. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Box = tuple[float, float, float, float]  # left, top, right, bottom (xyxy)
Points = Sequence[Sequence[float]]  # (x, y) of left eye, right eye, nose, left and right mouth corner
DETECTOR, TAG, PLACED = "detector", "tag", "at"  # who says where a face is: `Face.source`


@dataclass(frozen=True)
class Face:
    """One face in photo pixels, continuous: pixel 0 reaches from 0 to 1. The box can reach a little over the photo's edge.

    `confidence`: the detector's, 0..1; None of a face that only a person has seen. `landmarks_xy`: left eye, right eye, nose,
    left and right mouth corner, left and right as seen in the photo; none of such a face, whose roll is `given_roll_deg`.
    `source`: DETECTOR, TAG (a region in the photo's metadata) or PLACED (a person's box). `name`: by the photo's face tags.
    """

    box_xyxy: Box
    confidence: float | None
    landmarks_xy: tuple[tuple[float, float], ...]
    source: str = DETECTOR
    name: str = ""
    given_roll_deg: float = 0.0

    @property
    def size_px(self) -> float:
        """The longer side of the box."""
        return longer_side(self.box_xyxy)


def longer_side(box: Box) -> float:
    """Returns the longer side of a box."""
    return max(box[2] - box[0], box[3] - box[1])


def face_frame(points: Points) -> tuple[float, float, float, float]:
    """Measures five landmarks in the face's own frame, whose axis runs from the middle of the eyes to that of the mouth.

    Returns the axis's length (px), the distance of the eyes across it (px), the nose's place along it (0 eyes, 1 mouth) and its
    roll (degrees, positive clockwise on the screen). Zeros where eyes and mouth coincide.
    """
    left, right, nose, *mouth = points
    eyes = [(left[axis] + right[axis]) / 2 for axis in (0, 1)]
    down = [(mouth[0][axis] + mouth[1][axis]) / 2 - eyes[axis] for axis in (0, 1)]
    length = math.hypot(*down)
    if length == 0:
        return 0.0, 0.0, 0.0, 0.0
    across = ((right[0] - left[0]) * down[1] - (right[1] - left[1]) * down[0]) / length
    along = ((nose[0] - eyes[0]) * down[0] + (nose[1] - eyes[1]) * down[1]) / length
    return length, across, along / length, math.degrees(math.atan2(-down[0], down[1]))


def estimate_roll_deg(face: Face) -> float:
    """Estimates the head's roll in degrees, clockwise on the screen: the mean of the eye line's and of the face axis's.

    Of a face without landmarks it is the one given. `mtcnn.estimate_rolls_deg` is the batched form, in float32.
    """
    if not face.landmarks_xy:
        return face.given_roll_deg
    left, right = face.landmarks_xy[:2]
    eyes_deg = math.degrees(math.atan2(right[1] - left[1], right[0] - left[0]))
    return (eyes_deg + face_frame(face.landmarks_xy)[3]) / 2


def yaw_ratio(face: Face) -> float:
    """Measures the head's yaw as the nose's distance from the face axis in eye distances: 0 for a frontal face.

    Of a face without landmarks it is 0.
    """
    if not face.landmarks_xy:
        return 0.0
    points = np.array(face.landmarks_xy)
    eyes, mouth = points[:2].mean(0), points[3:].mean(0)
    down, nose, across = mouth - eyes, points[2] - eyes, points[1] - points[0]
    sideways = abs(down[0] * nose[1] - down[1] * nose[0])
    return float(sideways / max(np.linalg.norm(down) * np.linalg.norm(across), 1e-9))
