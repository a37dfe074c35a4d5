"""Proof: what a restored face rests on; its crop, the face, how far the two differ, and how sure the face is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.protocol import resize

from ..interfaces import FaceCrop, RestoredFace
from .doubt import Doubt, summarize_doubt
from .doubt_features import LEVELS
from .selection import FaceReport

DIFFERENCE_GAIN = 8  # how much a difference is amplified to be seen
DARKEST_DOUBT = 64  # half width in levels of 255 from which the map is as bright as it gets
COLOR_MAP = cv2.COLORMAP_INFERNO

Rgb = NDArray[np.uint8]
EstimateDoubt = Callable[[FaceCrop, RestoredFace], Doubt | None]


def no_doubt(crop: FaceCrop, restored: RestoredFace) -> None:
    """An `EstimateDoubt` that knows nothing, for restorers without error bars."""


@dataclass(frozen=True)
class FaceProof:
    """A restored face of a photo, `number` among all its faces; `doubt`: None of weights without error bars."""

    number: int
    report: FaceReport
    crop: FaceCrop
    restored: RestoredFace
    doubt: Doubt | None

    @property
    def summary(self) -> dict[str, float] | None:
        """The mean half widths of the error bars, in levels of 255: see `summarize_doubt`."""
        return None if self.doubt is None else summarize_doubt(self.doubt)


def prove_faces(
    faces: Sequence[FaceReport], crops: Sequence[FaceCrop], restored: Sequence[RestoredFace], estimate: EstimateDoubt
) -> Iterator[FaceProof]:
    """Yields the proof of each face that was restored, one at a time, since each costs several runs of the network.

    `faces`: a photo's, with their results; `crops`, `restored`: one for each face that was to be restored, in their order.
    """
    results = iter(zip(crops, restored, strict=True))
    for number, report in enumerate(faces, 1):
        if report.fidelity is None:  # it did not come so far
            continue
        crop, result = next(results)
        if report.restored:
            yield FaceProof(number, report, crop, result, estimate(crop, result))


def with_doubts(faces: Sequence[FaceReport], proofs: Sequence[FaceProof]) -> list[FaceReport]:
    """Completes the reports of a photo's faces by how sure they are."""
    summaries = {proof.number: proof.summary for proof in proofs}
    return [replace(report, doubt=summaries.get(number)) for number, report in enumerate(faces, 1)]


# Pictures


def crop_picture(proof: FaceProof) -> Rgb:
    """Shows the crop, as the photo has it: (e, e, 3) uint8 RGB."""
    return to_picture(proof.crop.image)


def face_picture(proof: FaceProof) -> Rgb:
    """Shows the restored face: (128, 128, 3) uint8 RGB."""
    return to_picture(proof.restored.face)


def reduced_picture(proof: FaceProof) -> Rgb:
    """Shows the restored face at the photo's resolution: (e, e, 3) uint8 RGB."""
    return to_picture(reduce_to_crop(proof))


def difference_picture(proof: FaceProof) -> Rgb:
    """Shows how the reduced face differs from the crop, amplified, grey where it does not: (e, e, 3) uint8 RGB."""
    return to_picture(0.5 + DIFFERENCE_GAIN * (reduce_to_crop(proof) - proof.crop.image))


def doubt_picture(doubt: Doubt) -> Rgb:
    """Shows the error bars' half widths as colours, black for 0: (128, 128, 3) uint8 RGB."""
    levels = (LEVELS * doubt.half_width / DARKEST_DOUBT).clamp(0, 1)
    return color_map((255 * levels).round().byte().numpy())


def color_map(values: Rgb) -> Rgb:
    """Colours values 0..255, (h, w) uint8: (h, w, 3) uint8 RGB."""
    return np.ascontiguousarray(cv2.applyColorMap(values, COLOR_MAP)[..., ::-1])


def reduce_to_crop(proof: FaceProof) -> Tensor:
    """Reduces the restored face to the crop's resolution: (3, e, e) in [0, 1]."""
    return resize(proof.restored.face[None], proof.crop.image.shape[-1])[0]


def to_picture(image: Tensor) -> Rgb:
    """Converts (3, h, w) in [0, 1] to (h, w, 3) uint8 RGB."""
    return (255 * image.clamp(0, 1)).round().byte().permute(1, 2, 0).contiguous().numpy()
