"""The pipeline on arrays, and laa's Python API: detect, crop, restore, enlarge, paste."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from . import check_models

check_models()  # so that a foreign `models` is named, rather than found to lack a module

from .errors import LaaError
from .interfaces import BackgroundUpscaler, FaceCrop, FaceDetector, FaceRestorer, RestoredFace
from .options import CONFIDENCE, ModelOptions, Options
from .photo import PhotoHeader, check_enlargement
from .photo.pixels import Pixels, to_rgb8, without_alpha
from .restore.alignment import extract_crop
from .restore.background import PlainUpscaler
from .restore.paste import make_patch, paste
from .restore.restorer import NetworkRestorer, Notice, silent
from .restore.selection import FaceReport, assess, with_result
from .utils.hardware import choose_device
from .utils.timing import StageTimer

__all__ = ["FaceReport", "ModelOptions", "Options", "Prepared", "Upscaled", "Upscaler"]


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
    """A photo, its faces, and the crops of those to restore, in their order."""

    pixels: Pixels
    options: Options
    faces: list[FaceReport]
    crops: list[FaceCrop]
    seconds: dict[str, float]


class Upscaler:
    """Enlarges photos and super-resolves their small faces. Load once, call on as many photos as you like."""

    def __init__(self, detect: FaceDetector, restore: FaceRestorer, background: BackgroundUpscaler | None = None) -> None:
        self.detect = detect
        self.restore = restore
        self.background = background or PlainUpscaler()

    @classmethod
    def load(
        cls,
        device: str = ModelOptions.device,
        weights: str | Path | None = ModelOptions.weights,
        min_face_px: float = ModelOptions.min_face_px,
        confidence: float | None = ModelOptions.confidence,
        fidelity: float | None = ModelOptions.fidelity,
    ) -> Upscaler:
        """Loads the models: see ModelOptions. Raises LaaError where one cannot be loaded."""
        path = Path(weights) if weights else None
        options = ModelOptions(device=device, weights=path, min_face_px=min_face_px, confidence=confidence, fidelity=fidelity)
        return cls.from_options(options)

    @classmethod
    def from_options(cls, options: ModelOptions, notice: Notice = silent) -> Upscaler:
        """Builds the three replaceable parts; `notice` as in `read_weights`. Raises LaaError where one cannot be loaded."""
        device = choose_device(options.device)
        restorer = build_restorer(options, device, notice)
        return cls(build_detector(options, device), restorer, build_background(options))

    def __call__(self, pixels: Pixels, options: Options | None = None) -> Upscaled:
        """`pixels`: (h, w, c) uint8 or uint16, c: 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA -> the same kind, enlarged.

        Raises LaaError where `pixels` is no such array or the result would have more than `options.max_pixels`.
        """
        options = options or Options()
        check_pixels(pixels)
        height, width, channels = pixels.shape
        header = PhotoHeader("array", width, height, channels * pixels.itemsize)
        check_enlargement(header, options.scale, options.max_pixels, "the photo")
        prepared = self.prepare(pixels, options)
        timer = StageTimer()
        restored = self.restore(prepared.crops)
        timer.lap("network")
        return self.finish(replace(prepared, seconds=prepared.seconds | timer.seconds), restored)

    def prepare(self, pixels: Pixels, options: Options) -> Prepared:
        """Runs the stages before the network: detects faces and extracts the crops of those to restore. Checks nothing."""
        timer = StageTimer()
        faces = self.detect(to_rgb8(pixels))
        timer.lap("detect")
        reports = [assess(face, options) for face in faces]
        crops = [FaceCrop(extract_crop(pixels, report.square, report.roll_deg)) for report in reports if report.restored]
        timer.lap("crop")
        return Prepared(pixels, options, reports, crops, timer.seconds)

    def finish(self, prepared: Prepared, restored: list[RestoredFace]) -> Upscaled:
        """Runs the stages after the network: enlarges the photo and pastes the faces. `restored`: one for each crop."""
        timer, options = StageTimer(), prepared.options
        canvas = self.background(prepared.pixels, options.scale)
        timer.lap("enlarge")
        results = iter(restored)
        faces = [with_result(report, next(results)) if report.restored else report for report in prepared.faces]
        colors = without_alpha(canvas)
        worthwhile = [result for result in restored if result.worthwhile]
        pairs = zip((report for report in faces if report.restored), worthwhile, strict=True)
        place = partial(make_patch, scale=options.scale, feather=options.feather, channels=colors.shape[2])
        paste(colors, [place(result.face, report.square, report.roll_deg) for report, result in pairs])
        timer.lap("paste")
        return Upscaled(canvas, faces, prepared.seconds | timer.seconds)


def build_detector(options: ModelOptions, device: torch.device | None = None) -> FaceDetector:
    """Builds the face detector. Raises LaaError where the device is not there."""
    from .detect.mtcnn import MTCNNDetector  # here, because its libraries are slow to import

    confidence = CONFIDENCE if options.confidence is None else options.confidence
    device = device or choose_device(options.device)
    return MTCNNDetector(device, min_face_px=options.min_face_px, confidence=confidence)


def build_restorer(options: ModelOptions, device: torch.device, notice: Notice = silent) -> FaceRestorer:
    """Builds the face restorer; `notice` as in `read_weights`. Raises LaaError where the weights cannot be used."""
    return NetworkRestorer.load(options.weights, device, options.fidelity, notice)


def build_background(options: ModelOptions) -> BackgroundUpscaler:
    """Builds what enlarges the photo outside the faces; there is one implementation so far."""
    return PlainUpscaler()


def check_pixels(pixels: Pixels) -> None:
    """Refuses arrays that are no photo, which only callers from Python can pass."""
    if (
        pixels.ndim != 3
        or pixels.shape[2] not in (1, 2, 3, 4)
        or 0 in pixels.shape
        or pixels.dtype not in (np.uint8, np.uint16)
    ):
        raise LaaError(f"a photo is a uint8 or uint16 array (h, w, 1 to 4), not {pixels.dtype} {pixels.shape}")
