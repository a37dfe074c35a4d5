"""The contracts of the three replaceable parts: face detector, face restorer, background upscaler.

Each is one object, built in one place (`upscale.build_detector` and its neighbours) from one `ModelOptions`. A second
implementation is a file of its own and a line there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .detect.face import Box, Face
from .utils.steps import Steps

if TYPE_CHECKING:  # `photo` imports OpenCV, which `laa train` must do without
    from .photo.pixels import Pixels

__all__ = ["BackgroundUpscaler", "EnlargedPhoto", "Face", "FaceCrop", "FaceDetector", "FaceRestorer", "RestoredFace"]


@dataclass(frozen=True)
class FaceCrop:
    """What a photo shows of a face: `image` (3, e, e) RGB in [0, 1], any side e, the head upright."""

    image: Tensor


@dataclass(frozen=True)
class RestoredFace:
    """A restored face, `face`: (3, 128, 128) RGB in [0, 1].

    `fidelity`: how far it was brought to what the photo shows, 0..1. `consistency`: what difference is left, as RMSE between
    the face, reduced to the photo's resolution, and the crop, 0..1. Where it is not `worthwhile`, no gain is to be expected and
    the face is the crop's plain enlargement.
    """

    face: Tensor
    fidelity: float
    consistency: float
    worthwhile: bool = True


@dataclass(frozen=True)
class EnlargedPhoto:
    """An enlarged photo without its faces, `pixels`: (scale h, scale w, c) as the input.

    `background`: what made it: "plain", "hpinet", or a file's stem. `fidelity`: how far it was held to what the photo shows,
    0..1; None where no network ran. `reason`: why another than was asked for, short; mostly nothing.
    """

    pixels: Pixels
    background: str
    fidelity: float | None = None
    reason: str = ""


class FaceDetector(Protocol):
    """Finds the faces of a photo."""

    def __call__(self, rgb: NDArray[np.uint8]) -> Sequence[Face]:
        """`rgb`: (h, w, 3) uint8 RGB -> faces in photo pixels, by falling confidence."""

    def look_at(self, rgb: NDArray[np.uint8], boxes: Sequence[Box]) -> list[Face | None]:
        """Frames the face that is said to be in each box (xyxy, photo pixels), however sure; None where there can be none."""


class FaceRestorer(Protocol):
    """Super-resolves face crops, each independently of the others."""

    @property
    def batch_size(self) -> int:
        """How many crops a call should have for the most throughput: 1 on a CPU."""

    def __call__(self, crops: Sequence[FaceCrop]) -> list[RestoredFace]:
        """A restored face for each crop, in their order. Raises whatever the device raises where memory runs out."""


class BackgroundUpscaler(Protocol):
    """Enlarges a whole photo, onto which the faces are pasted."""

    def steps(self, pixels: Pixels, scale: int) -> Steps[EnlargedPhoto]:
        """`pixels`: (h, w, c) uint8 or uint16; c = 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA -> the same, (scale h, scale w, c).

        Yields the share done, 0..1, several times a second, and may be given up (closed) at each yield.
        """

    def peak_bytes(self, height: int, width: int, scale: int) -> int:
        """Estimates the most bytes of memory that a photo (height, width) takes there, beside the photo and the result."""
