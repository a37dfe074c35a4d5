"""Selection: which detected faces of a photo are worth restoring, where their crops are, and what was done to each."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..detect.face import Face, estimate_roll_deg, yaw_ratio
from ..interfaces import RestoredFace
from ..options import Options
from .alignment import Square, square_around

MAX_UNALIGNED_ROLL_DEG = 12.0  # heads that are rolled further are rotated upright; the weights were trained up to there
MAX_YAW_RATIO = 0.5  # from which a head is turned too far aside; 0.38 at most in 490 known faces


@dataclass(frozen=True)
class FaceReport:
    """A face, its crop in photo pixels, and what was done to it.

    `reason`: why the face was left, short; of a restored one what is unusual, mostly nothing.
    `square`: the crop, rotated clockwise about its centre by `roll_deg`. Of restored faces `fidelity` says how far the
    network's output was brought to what the photo shows, 0..1, and `consistency` what difference is left: RMSE between the
    face, reduced to the photo's resolution, and the photo, 0..1. `doubt`: how sure it is, by parts of the face, where that was
    asked for: see `doubt.summarize_doubt`.
    """

    face: Face
    square: Square
    restored: bool
    reason: str
    roll_deg: float = 0.0
    fidelity: float | None = None
    consistency: float | None = None
    doubt: dict[str, float] | None = None


def assess(face: Face, options: Options, refusal: str = "") -> FaceReport:
    """Assesses a face before the network runs: where its crop is, and whether it is worth restoring.

    `refusal`: why it is not to be restored in any case.
    """
    roll_deg = estimate_roll_deg(face)
    if abs(roll_deg) <= MAX_UNALIGNED_ROLL_DEG:
        roll_deg = 0.0
    square = square_around(face.box_xyxy, options.margin)
    refusal = refusal or skip_reason(face, square, options)
    rotated = f"turned upright by {abs(roll_deg):.0f} degrees" if roll_deg else ""
    return FaceReport(face, square, not refusal, refusal or rotated, roll_deg)


def skip_reason(face: Face, square: Square, options: Options) -> str:
    """Returns why a face is to be skipped; empty where it is to be restored."""
    if square.side > options.max_face_px:
        return f"over --max-face {options.max_face_px:g}"
    if yaw_ratio(face) > MAX_YAW_RATIO:
        return "turned too far aside"  # the weights have seen no such faces
    return ""


def with_result(report: FaceReport, restored: RestoredFace) -> FaceReport:
    """Completes a face's report with the network's result."""
    if not restored.worthwhile:
        return replace(report, restored=False, reason="noisy for its size", fidelity=restored.fidelity)
    return replace(report, fidelity=restored.fidelity, consistency=restored.consistency)
