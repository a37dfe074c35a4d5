"""What is said of a finished photo: lines of a table for people, a record for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .upscale import FaceReport, Upscaled


def columns() -> tuple[str, ...]:
    """The table's head; ">" marks numbers."""
    return "#", "place", ">face", ">crop", ">confidence", "done", "why"


def rows(result: Upscaled) -> Iterator[tuple[str, ...]]:
    """A line for each face; place is its box's corner in the photo."""
    for number, report in enumerate(result.faces, 1):
        x0, y0, _, _ = report.face.box_xyxy
        sizes = f"{report.face.size_px:.0f} px", f"{report.square.side} px"
        done = "restored" if report.restored else "left as it is"
        yield f"{number}", f"{x0:.0f}, {y0:.0f}", *sizes, f"{report.face.confidence:.3f}", done, report.reason


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
    return {
        "number": number,
        "box_xyxy": [round(value, 2) for value in report.face.box_xyxy],
        "size_px": round(report.face.size_px, 2),
        "confidence": round(report.face.confidence, 4),
        "crop": asdict(report.square),
        "action": "restored" if report.restored else "left",
        "reason": report.reason,
        "consistency": None if report.consistency is None else round(report.consistency, 5),
    }
