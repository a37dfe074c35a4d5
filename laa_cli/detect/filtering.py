"""Filters detections: plausibility rules on boxes and their five landmarks, and non-maximum suppression (NMS). Pure functions.

Ranges are wide: they are for false detections, not for poses. "Seen" is on 490 near-frontal faces, 12 to 96 px wide, upright
and rolled by up to 45 degrees; heads in profile, of which there were none, get the rest of the range.
"""

from __future__ import annotations

from collections.abc import Sequence

from .face import Box, Points, face_frame, longer_side

# Shares of the box's longer side
EYES_TO_MOUTH = (0.2, 0.6)  # between the middles of eyes and mouth; seen 0.29 to 0.46
EYE_DISTANCE = (0.06, 0.6)  # across the face, so near zero in profile; seen 0.25 to 0.45
SLACK = 0.1  # how far a landmark may be outside; seen 0.05 inside
# Other measures
NOSE = (0.0, 1.0)  # where between eyes (0) and mouth (1); seen 0.27 to 0.83
MAX_ROLL_DEG = 65.0  # seen 16 on upright faces of 12 px, 54 on faces rolled by 45
MAX_ASPECT = 2.0  # seen 0.65 to 0.86, width over height
MAX_IOU = 0.4  # intersection over union (IoU)
MAX_NESTED = 0.7  # intersection over the smaller area


def is_plausible(box: Box, points: Points) -> bool:
    """Checks whether a box with its five landmarks can be a face."""
    return has_valid_aspect(box) and landmarks_inside(box, points) and landmarks_ordered(box, points)


def has_valid_aspect(box: Box) -> bool:
    """Checks the aspect ratio: whether a box has an area and is not a strip."""
    shorter = min(box[2] - box[0], box[3] - box[1])
    return shorter > 0 and longer_side(box) <= MAX_ASPECT * shorter


def landmarks_inside(box: Box, points: Points) -> bool:
    """Checks whether all landmarks lie in the box or hardly outside."""
    slack = SLACK * longer_side(box)
    return all(box[0] - slack <= x <= box[2] + slack and box[1] - slack <= y <= box[3] + slack for x, y in points)


def landmarks_ordered(box: Box, points: Points) -> bool:
    """Checks the order and proportions of eyes, nose and mouth in the face's own frame. The box must have an area."""
    down, across, nose, roll_deg = face_frame(points)
    side = longer_side(box)
    return (
        EYES_TO_MOUTH[0] * side <= down <= EYES_TO_MOUTH[1] * side
        and EYE_DISTANCE[0] * side <= across <= EYE_DISTANCE[1] * side
        and NOSE[0] <= nose <= NOSE[1]
        and abs(roll_deg) <= MAX_ROLL_DEG
    )


def area(box: Box) -> float:
    """Computes the area of a box."""
    return (box[2] - box[0]) * (box[3] - box[1])


def overlap_ratios(one: Box, other: Box) -> tuple[float, float]:
    """Computes two boxes' intersection over union (IoU) and over the smaller area, each in [0, 1]. Both must have an area."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0, 0.0
    common = width * height
    return common / (area(one) + area(other) - common), common / min(area(one), area(other))


def non_max_suppression(boxes: Sequence[Box], confidences: Sequence[float]) -> list[int]:
    """Applies non-maximum suppression (NMS), and removes boxes nested in larger ones.

    Returns the indices of the detections to keep, by falling confidence.
    """
    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda index: (-confidences[index], boxes[index])):
        if all(overlap_ratios(boxes[index], boxes[other])[0] <= MAX_IOU for other in kept):
            kept.append(index)
    return [index for index in kept if not any(is_nested(boxes[index], boxes[other]) for other in kept)]


def is_nested(box: Box, other: Box) -> bool:
    """Checks whether a box lies mostly inside a larger one."""
    return area(box) < area(other) and overlap_ratios(box, other)[1] > MAX_NESTED
