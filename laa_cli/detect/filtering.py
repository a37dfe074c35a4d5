"""Which detections cannot be faces, and which are one face twice: rules on boxes and their five landmarks. All pure.

Ranges are wide: they are for ghosts, not for poses. "Seen" is on 490 near-frontal faces, 12 to 96 px wide, upright and rolled
by up to 45 degrees; heads turned aside, of which there were none, get the rest of the room.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Box = tuple[float, float, float, float]  # left, top, right, bottom
Points = Sequence[Sequence[float]]  # (x, y) of left eye, right eye, nose, left and right mouth corner

# Shares of the box's longer side
EYES_TO_MOUTH = (0.2, 0.6)  # between the middles of eyes and mouth; seen 0.29 to 0.46
EYE_DISTANCE = (0.06, 0.6)  # across the face, so near zero in profile; seen 0.25 to 0.45
SLACK = 0.1  # how far a landmark may be outside; seen 0.05 inside
# Other measures
NOSE = (0.0, 1.0)  # where between eyes (0) and mouth (1); seen 0.27 to 0.83
ROLL_DEG = 65.0  # seen 16 on upright faces of 12 px, 54 on faces rolled by 45
ASPECT = 2.0  # seen 0.65 to 0.86, width over height
MAX_IOU = 0.4  # intersection over union
MAX_NESTED = 0.7  # intersection over the smaller area


def longer_side(box: Box) -> float:
    """The longer side of a box."""
    return max(box[2] - box[0], box[3] - box[1])


def is_plausible(box: Box, points: Points) -> bool:
    """Whether a box with its landmarks can be a face."""
    return has_valid_aspect(box) and landmarks_inside(box, points) and landmarks_ordered(box, points)


def has_valid_aspect(box: Box) -> bool:
    """Whether a box has an area and is not a strip."""
    shorter = min(box[2] - box[0], box[3] - box[1])
    return shorter > 0 and longer_side(box) <= ASPECT * shorter


def landmarks_inside(box: Box, points: Points) -> bool:
    """Whether all landmarks are in the box or hardly outside."""
    slack = SLACK * longer_side(box)
    return all(box[0] - slack <= x <= box[2] + slack and box[1] - slack <= y <= box[3] + slack for x, y in points)


def landmarks_ordered(box: Box, points: Points) -> bool:
    """Whether eyes, nose and mouth are in their order and proportion, in the face's own frame; box with an area."""
    down, across, nose, roll_deg = face_frame(points)
    side = longer_side(box)
    return (
        EYES_TO_MOUTH[0] * side <= down <= EYES_TO_MOUTH[1] * side
        and EYE_DISTANCE[0] * side <= across <= EYE_DISTANCE[1] * side
        and NOSE[0] <= nose <= NOSE[1]
        and abs(roll_deg) <= ROLL_DEG
    )


def face_frame(points: Points) -> tuple[float, float, float, float]:
    """Eyes to mouth (px), right eye from left eye across that line (px), the nose's place on it (0..1), and its roll (degrees).

    Zeros where eyes and mouth coincide. Positive roll is clockwise on the screen.
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


def area(box: Box) -> float:
    """Area of a box."""
    return (box[2] - box[0]) * (box[3] - box[1])


def overlap_ratios(one: Box, other: Box) -> tuple[float, float]:
    """Intersection over union and over the smaller area, each in [0, 1], of two boxes that have an area."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0, 0.0
    common = width * height
    return common / (area(one) + area(other) - common), common / min(area(one), area(other))


def non_max_suppression(boxes: Sequence[Box], confidences: Sequence[float]) -> list[int]:
    """Indices of the detections to keep, by falling confidence: of one face the surest, and none that lies in a larger one."""
    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda index: (-confidences[index], boxes[index])):
        if all(overlap_ratios(boxes[index], boxes[other])[0] <= MAX_IOU for other in kept):
            kept.append(index)
    return [index for index in kept if not any(is_nested(boxes[index], boxes[other]) for other in kept)]


def is_nested(box: Box, other: Box) -> bool:
    """Whether a box lies mostly in a larger one."""
    return area(box) < area(other) and overlap_ratios(box, other)[1] > MAX_NESTED
