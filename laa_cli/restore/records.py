"""Machine-readable records of photos and their faces, as JSON: for `--json`, the manifest of `laa batch`, and its gallery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NotRequired

from pydantic import Field, FiniteFloat
from typing_extensions import TypedDict  # typing's own can be checked by pydantic from Python 3.12 on

from ..detect.face import Face
from .selection import FaceReport

RESTORED, LEFT = "restored", "left"  # values of `action`


Place = Annotated[int, Field(gt=-(2**31), lt=2**31)]  # px
Length = Annotated[int, Field(ge=1, lt=2**31)]  # px


class SquareRecord(TypedDict):
    """A face's crop: its upper left corner and its side, in pixels of the photo."""

    x: Place
    y: Place
    side: Length


class DetectionRecord(TypedDict):
    """A face, in pixels of the photo; `number` counts from 1. `source`, `name`, and what is missing where: see `Face`.

    Manifests of older versions have neither of the two.
    """

    number: int
    box_xyxy: list[FiniteFloat]
    size_px: FiniteFloat
    confidence: FiniteFloat | None
    landmarks_xy: list[list[FiniteFloat]]
    source: NotRequired[str]
    name: NotRequired[str]


class FaceRecord(DetectionRecord):
    """A face and what was done to it. `consistency`: RMSE to the photo at its own resolution, 0..1.

    `doubt`: mean half widths of its error bars, in levels of 255, by the parts of a face; None where nobody asked for them.
    """

    crop: SquareRecord
    action: str  # RESTORED or LEFT
    reason: str
    roll_deg: FiniteFloat
    fidelity: FiniteFloat | None
    consistency: FiniteFloat | None
    doubt: NotRequired[dict[str, FiniteFloat] | None]


class DetectedPhotoRecord(TypedDict):
    """A photo and the faces in it: a line of `laa detect --json`."""

    input: str
    width: int
    height: int
    faces: list[DetectionRecord]


class PhotoRecord(TypedDict):
    """An upscaled photo: a line of `laa upscale --json`. `width`, `height`: of the result; `seconds`: by stage.

    `background`, `background_fidelity`: see `interfaces.EnlargedPhoto`. `left_out`: the names of what the photo's metadata had
    and the result's does not have.
    """

    input: str
    output: str
    width: int
    height: int
    scale: int
    background: str
    background_fidelity: float | None
    faces: list[FaceRecord]
    left_out: list[str]
    seconds: dict[str, float]


class FailureRecord(TypedDict):
    """A photo that could not be processed: a line of `--json`."""

    input: str
    error: str


def detection_record(number: int, face: Face) -> DetectionRecord:
    """Describes a face, rounded."""
    return {
        "number": number,
        "box_xyxy": [round(value, 2) for value in face.box_xyxy],
        "size_px": round(face.size_px, 2),
        "confidence": None if face.confidence is None else round(face.confidence, 4),
        "landmarks_xy": [[round(value, 2) for value in point] for point in face.landmarks_xy],
        "source": face.source,
        "name": face.name,
    }


def face_record(number: int, report: FaceReport) -> FaceRecord:
    """Describes a face of an upscaled photo, rounded."""
    return {
        **detection_record(number, report.face),
        "crop": {"x": report.square.x, "y": report.square.y, "side": report.square.side},
        "action": RESTORED if report.restored else LEFT,
        "reason": report.reason,
        "roll_deg": round(report.roll_deg, 1),
        "fidelity": None if report.fidelity is None else round(report.fidelity, 3),
        "consistency": None if report.consistency is None else round(report.consistency, 5),
        "doubt": None if report.doubt is None else {part: round(value, 2) for part, value in report.doubt.items()},
    }


def photo_record(
    source: str,
    output: str,
    *,
    width: int,
    height: int,
    scale: int,
    background: str,
    background_fidelity: float | None,
    faces: Sequence[FaceReport],
    left_out: Sequence[str],
    seconds: dict[str, float],
) -> PhotoRecord:
    """Describes an upscaled photo."""
    return {
        "input": source,
        "output": output,
        "width": width,
        "height": height,
        "scale": scale,
        "background": background,
        "background_fidelity": None if background_fidelity is None else round(background_fidelity, 3),
        "faces": [face_record(number, report) for number, report in enumerate(faces, 1)],
        "left_out": list(left_out),
        "seconds": rounded_seconds(seconds),
    }


def rounded_seconds(seconds: dict[str, float]) -> dict[str, float]:
    """Seconds by stage, as records hold them."""
    return {stage: round(value, 4) for stage, value in seconds.items()}


def restored_faces(faces: list[FaceRecord]) -> list[FaceRecord]:
    """The faces that were super-resolved."""
    return [face for face in faces if face["action"] == RESTORED]
