"""Draws a photo's faces on a copy of it: boxes, landmarks, and the numbers by which `laa upscale --faces` chooses."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ..detect.face import Face

Rgb = NDArray[np.uint8]
Corner = tuple[int, int]  # x, y in pixels

YELLOW, BLUE, BLACK = (255, 220, 0), (0, 200, 255), (0, 0, 0)
LINE_SHARE = 1 / 800  # a line's width over the photo's longer side
LEAST_DIGIT_PX = 11  # below it OpenCV's digits run together
DIGIT_SHARE = 1 / 70  # a digit's height over the photo's longer side, so that it can be read where the whole photo is shown
DIGIT_PER_FACE = 0.3  # on large faces digits are larger, ...
LARGEST_DIGIT_SHARE = 1 / 25  # ... up to this share of the longer side
FONT, FONT_PX = cv2.FONT_HERSHEY_SIMPLEX, 21.0  # a digit's height at font scale 1


def draw_faces(rgb: Rgb, faces: Sequence[Face]) -> Rgb:
    """Draws each face's box, landmarks and number on a copy of a photo (h, w, 3) uint8 RGB; numbers last, over all else."""
    drawn = rgb.copy()
    width = max(1, round(max(rgb.shape[:2]) * LINE_SHARE))
    for face in faces:
        x0, y0, x1, y1 = (round(value - 0.5) for value in face.box_xyxy)
        cv2.rectangle(drawn, (x0, y0), (x1, y1), YELLOW, width)
        for x, y in face.landmarks_xy:
            cv2.circle(drawn, (round(x - 0.5), round(y - 0.5)), width, BLUE, -1)
    for number, face in enumerate(faces, 1):
        draw_number(drawn, number, face)
    return drawn


def draw_number(canvas: Rgb, number: int, face: Face) -> None:
    """Draws a face's number in a box above its own, or wherever the photo has room, in place."""
    text, height = f"{number}", digit_height_px(canvas, face)
    scale, thickness = height / FONT_PX, max(1, round(height / 8))
    width = cv2.getTextSize(text, FONT, scale, thickness)[0][0]
    rim = max(2, height // 5)
    size = (width + 2 * rim, height + 2 * rim)
    x, y = place_label(canvas, face, size)
    cv2.rectangle(canvas, (x, y), (x + size[0] - 1, y + size[1] - 1), YELLOW, -1)
    cv2.putText(canvas, text, (x + rim, y + rim + height - 1), FONT, scale, BLACK, thickness, cv2.LINE_AA)


def digit_height_px(canvas: Rgb, face: Face) -> int:
    """Computes the height of a face's number."""
    longer = max(canvas.shape[:2])
    wanted = min(DIGIT_PER_FACE * face.size_px, LARGEST_DIGIT_SHARE * longer)
    return round(max(LEAST_DIGIT_PX, DIGIT_SHARE * longer, wanted))


def place_label(canvas: Rgb, face: Face, size: Corner) -> Corner:
    """Returns where a label of that size goes: above the face's box, below it where there is no room, and inside the photo."""
    height, width = canvas.shape[:2]
    x0, y0, _, y1 = (round(value - 0.5) for value in face.box_xyxy)
    y = y0 - size[1] if y0 >= size[1] else y1 + 1
    return max(0, min(x0, width - size[0])), max(0, min(y, height - size[1]))
