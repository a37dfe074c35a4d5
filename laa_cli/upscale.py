"""The pipeline on pixels, and laa's Python API: enlarge, detect, crop, restore, paste."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import check_models

check_models()  # so that a foreign `models` is named, rather than found to lack a module

from .detect.mtcnn import Face, MTCNNDetector
from .errors import LaaError
from .options import SCALES, Options
from .photo.pixels import Pixels, to_rgb8, without_alpha
from .photo.resample import enlarge
from .restore.paste import paste
from .restore.restorer import NetworkRestorer, RestoredFace
from .restore.selection import FaceReport, assess, extract_crop, make_patch, with_result
from .utils.hardware import choose_device
from .utils.timing import StageTimer

__all__ = ["FaceReport", "Options", "Prepared", "Upscaled", "Upscaler", "finish"]


@dataclass(frozen=True)
class Upscaled:
    """The enlarged photo, (scale h, scale w, c) like the input, its faces, and the seconds spent in each stage."""

    pixels: Pixels
    faces: list[FaceReport]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def restored(self) -> list[FaceReport]:
        """The faces that were super-resolved."""
        return [report for report in self.faces if report.restored]


@dataclass(frozen=True)
class Prepared:
    """A photo, its faces, and the crops of those to restore, in their order: each (3, e, e) RGB in [0, 1]."""

    pixels: Pixels
    options: Options
    faces: list[FaceReport]
    crops: list[Tensor]
    seconds: dict[str, float]


class FaceRestorer(Protocol):
    """What a restorer does: see `restore.Restorer`."""

    def __call__(self, crops: list[Tensor]) -> list[RestoredFace]: ...


class Upscaler:
    """Enlarges photos and super-resolves their small faces. Load once, call on as many photos as you like."""

    def __init__(self, detect: Callable[[NDArray[np.uint8]], Sequence[Face]], restore: FaceRestorer) -> None:
        self.detect, self.restore = detect, restore

    @classmethod
    def load(
        cls,
        device: str = "auto",
        weights: str | Path | None = None,
        min_face_px: float = 12,
        confidence: float | None = None,
        fidelity: float | None = None,
    ) -> Upscaler:
        """With MTCNN and a weights file, by default the shipped one. LaaError where either cannot be loaded."""
        chosen = choose_device(device)
        restorer = NetworkRestorer.load(Path(weights) if weights else None, chosen, fidelity)
        return cls(load_detector(chosen, min_face_px, confidence), restorer)

    def __call__(self, pixels: Pixels, options: Options | None = None) -> Upscaled:
        """`pixels`: (h, w, c) uint8 or uint16, c: 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA -> the same kind, enlarged.

        Raises LaaError where `pixels` is no such array or the result would have more than `options.max_pixels`.
        """
        prepared = self.prepare(pixels, options or Options())
        clock = StageTimer()
        restored = self.restore(prepared.crops)
        clock.lap("network")
        return finish(replace(prepared, seconds=prepared.seconds | clock.seconds), restored)

    def prepare(self, pixels: Pixels, options: Options) -> Prepared:
        """The stages before the network: finds the faces and cuts out those to restore. Input and errors as for a call."""
        check_pixels(pixels)
        check_size(pixels.shape[1], pixels.shape[0], options)
        clock = StageTimer()
        faces = self.detect(to_rgb8(pixels))
        clock.lap("detect")
        reports = [assess(face, options) for face in faces]
        crops = [extract_crop(pixels, report) for report in reports if report.restored]
        clock.lap("crop")
        return Prepared(pixels, options, reports, crops, clock.seconds)


def finish(prepared: Prepared, restored: list[RestoredFace]) -> Upscaled:
    """The stages after the network: enlarges the photo and pastes the faces. `restored`: one for each crop."""
    clock, options = StageTimer(), prepared.options
    canvas = enlarge(prepared.pixels, options.scale)
    clock.lap("enlarge")
    answers = iter(restored)
    faces = [with_result(report, next(answers)) if report.restored else report for report in prepared.faces]
    colours = without_alpha(canvas)
    kept = [answer for answer in restored if answer.worthwhile]
    chosen = zip((report for report in faces if report.restored), kept, strict=True)
    paste(colours, [make_patch(answer.face, report, options, colours.shape[2]) for report, answer in chosen])
    clock.lap("paste")
    return Upscaled(canvas, faces, prepared.seconds | clock.seconds)


def load_detector(device: torch.device, min_face_px: float, confidence: float | None) -> MTCNNDetector:
    """MTCNN with its own default confidence unless one is given."""
    if confidence is None:
        return MTCNNDetector(device, min_face_px=min_face_px)
    return MTCNNDetector(device, min_face_px=min_face_px, confidence=confidence)


def check_pixels(pixels: Pixels) -> None:
    """Refuses arrays that are no photo, which only callers from Python can pass."""
    if (
        pixels.ndim != 3
        or pixels.shape[2] not in (1, 2, 3, 4)
        or 0 in pixels.shape
        or pixels.dtype not in (np.uint8, np.uint16)
    ):
        raise LaaError(f"a photo is a uint8 or uint16 array (h, w, 1 to 4), not {pixels.dtype} {pixels.shape}")


def check_size(width: int, height: int, options: Options) -> None:
    """Refuses an enlargement of more than `max_pixels`, naming the scale that would fit. Sizes in px."""
    pixels = width * height * options.scale**2
    if pixels <= options.max_pixels:
        return
    fitting = [scale for scale in SCALES if width * height * scale**2 <= options.max_pixels]
    advice = f"use --scale {fitting[-1]}, or allow it with" if fitting else "allow it with"
    raise LaaError(
        f"{width}x{height} enlarged {options.scale}x is {pixels / 1e6:.0f} megapixels, the limit is "
        f"{options.max_pixels / 1e6:.0f}: {advice} --max-pixels {pixels}"
    )
