"""What people see of a result: tables of its faces; faces before and after, whole photos side by side, boxes drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ..detect.face import DETECTOR, Face
from ..options import PLAIN
from ..photo.pixels import Pixels, to_rgb8
from ..restore.alignment import Square, crop_square
from ..restore.records import LEFT, RESTORED
from ..upscale import Upscaled

DETECTION_COLUMNS = ("#", "name", "place", ">face", ">confidence")  # ">": flush right
DETECTION_DROP = (">confidence", ">face", "place")  # what goes first where a terminal has no room
RESULT_COLUMNS = (*DETECTION_COLUMNS, ">crop", "done", ">off by")
RESULT_DROP = (">confidence", ">off by", ">crop", "place", ">face")
SIDE_BY_SIDE_PX = 8000  # longest side of a comparison; a larger one is reduced to it


Table = tuple[tuple[str, ...], list[tuple[str, ...]], tuple[str, ...]]  # columns, rows, columns that may go


def detection_row(number: int, face: Face) -> tuple[str, ...]:
    """Formats a face for DETECTION_COLUMNS; its place is the upper left corner of its box in the photo.

    In the place of a confidence stands who says where the face is, if that is not the detector.
    """
    confidence = f"{face.confidence:.3f}" if face.source == DETECTOR and face.confidence is not None else face.source
    place = f"{face.box_xyxy[0]:.0f}, {face.box_xyxy[1]:.0f}"
    return f"{number}", face.name, place, f"{face.size_px:.0f} px", confidence


def detection_table(faces: Sequence[Face]) -> Table:
    """Lists the faces of a photo."""
    rows = [detection_row(number, face) for number, face in enumerate(faces, 1)]
    return without_empty_names(DETECTION_COLUMNS, rows, DETECTION_DROP)


def result_table(result: Upscaled) -> Table:
    """Lists the faces of an upscaled photo, and what was done to each."""
    return without_empty_names(RESULT_COLUMNS, list(result_rows(result)), RESULT_DROP)


def without_empty_names(columns: tuple[str, ...], rows: list[tuple[str, ...]], drop: tuple[str, ...]) -> Table:
    """Leaves the column of names out where no face has one."""
    at = columns.index("name")
    if any(row[at] for row in rows):
        return columns, rows, drop
    return columns[:at] + columns[at + 1 :], [row[:at] + row[at + 1 :] for row in rows], drop


def result_rows(result: Upscaled) -> Iterator[tuple[str, ...]]:
    """Formats each face of an upscaled photo for RESULT_COLUMNS.

    A face is off by the RMSE, in 255ths, between what it shows at the photo's resolution and what the photo shows. One that
    was left is as the background's network shows it, where there was one.
    """
    left = LEFT if result.background == PLAIN else f"{LEFT} to {result.background}"
    for number, report in enumerate(result.faces, 1):
        done = RESTORED if report.restored else f"{left}: {report.reason}"
        off_by = "" if report.consistency is None else f"{255 * report.consistency:.1f}"
        yield *detection_row(number, report.face), f"{report.square.side} px", done, off_by


def face_pair(before: Pixels, after: Pixels, square: Square, scale: int) -> tuple[Pixels, Pixels]:
    """A face's crop from the plainly enlarged photo and from the result, both (side, side, c)."""
    enlarged = square.scaled(scale)
    return crop_square(before, enlarged), crop_square(after, enlarged)


def side_by_side(before: Pixels, after: Pixels) -> NDArray[np.uint8]:
    """The plainly enlarged photo on the left, the result on the right: (h, 2 w + gap, 3) uint8 RGB."""
    left, right = to_rgb8(before), to_rgb8(after)
    factor = SIDE_BY_SIDE_PX / max(2 * left.shape[1], left.shape[0])
    if factor < 1:
        size = (max(1, round(left.shape[1] * factor)), max(1, round(left.shape[0] * factor)))
        left, right = (cv2.resize(half, size, interpolation=cv2.INTER_AREA).astype(np.uint8) for half in (left, right))
    gap = np.full((left.shape[0], max(2, left.shape[1] // 100), 3), 255, np.uint8)
    return np.hstack([left, gap, right])
