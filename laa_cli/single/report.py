"""What is said of a finished photo: lines of a table for people, a record for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..detect.face import Face
from ..restore.selection import FaceReport
from ..upscale import Upscaled

DETECTION_COLUMNS = ("#", "place", ">face", ">confidence")  # ">": flush right


def columns() -> tuple[str, ...]:
    """The head of the table of `rows`."""
    return *DETECTION_COLUMNS, ">crop", "done", ">off by", "why"


def rows(result: Upscaled) -> Iterator[tuple[str, ...]]:
    """A line for each face; place is its box's corner in the photo.

    A face is off by the RMSE, in 255ths, between what it shows at the photo's resolution and what the photo shows.
    """
    for number, report in enumerate(result.faces, 1):
        done = "restored" if report.restored else "left"
        off_by = "" if report.consistency is None else f"{255 * report.consistency:.1f}"
        yield *detection_row(number, report.face), f"{report.square.side} px", done, off_by, report.reason


def detection_row(number: int, face: Face) -> tuple[str, ...]:
    """What DETECTION_COLUMNS name, of one face."""
    return f"{number}", f"{face.box_xyxy[0]:.0f}, {face.box_xyxy[1]:.0f}", f"{face.size_px:.0f} px", f"{face.confidence:.3f}"


def detection_record(number: int, face: Face) -> dict[str, Any]:
    """What was detected, in pixels of the photo."""
    return {
        "number": number,
        "box_xyxy": [round(value, 2) for value in face.box_xyxy],
        "size_px": round(face.size_px, 2),
        "confidence": round(face.confidence, 4),
        "landmarks_xy": [[round(value, 2) for value in point] for point in face.landmarks_xy],
    }


def as_record(source: Path, output: Path, result: Upscaled, scale: int) -> dict[str, Any]:
    """A photo's machine-readable record; places and sizes in pixels of the photo that came in."""
    height, width = result.pixels.shape[:2]
    return {
        "input": str(source),
        "output": str(output),
        "width": width,
        "height": height,
        "scale": scale,
        "faces": [face_record(number, report) for number, report in enumerate(result.faces, 1)],
        "seconds": {stage: round(value, 4) for stage, value in result.seconds.items()},
    }


def face_record(number: int, report: FaceReport) -> dict[str, Any]:
    """A face's part of the record."""
    return detection_record(number, report.face) | {
        "crop": asdict(report.square),
        "action": "restored" if report.restored else "left",
        "reason": report.reason,
        "roll_deg": round(report.roll_deg, 1),
        "fidelity": None if report.fidelity is None else round(report.fidelity, 3),
        "consistency": None if report.consistency is None else round(report.consistency, 5),
    }
