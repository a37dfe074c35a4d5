"""The tables that people see of the faces in a photo."""

from __future__ import annotations

from collections.abc import Iterator

from ..detect.face import Face
from ..restore.records import LEFT, RESTORED
from ..upscale import Upscaled

DETECTION_COLUMNS = ("#", "place", ">face", ">confidence")  # ">": flush right
RESULT_COLUMNS = (*DETECTION_COLUMNS, ">crop", "done", ">off by", "why")


def detection_row(number: int, face: Face) -> tuple[str, ...]:
    """Formats a detected face for DETECTION_COLUMNS; its place is the upper left corner of its box in the photo."""
    return f"{number}", f"{face.box_xyxy[0]:.0f}, {face.box_xyxy[1]:.0f}", f"{face.size_px:.0f} px", f"{face.confidence:.3f}"


def result_rows(result: Upscaled) -> Iterator[tuple[str, ...]]:
    """Formats each face of an upscaled photo for RESULT_COLUMNS.

    A face is off by the RMSE, in 255ths, between what it shows at the photo's resolution and what the photo shows.
    """
    for number, report in enumerate(result.faces, 1):
        done = RESTORED if report.restored else LEFT
        off_by = "" if report.consistency is None else f"{255 * report.consistency:.1f}"
        yield *detection_row(number, report.face), f"{report.square.side} px", done, off_by, report.reason
