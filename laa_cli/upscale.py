"""The pipeline on arrays, and laa's Python API: detect, crop, restore, enlarge, paste."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from . import __version__, check_models

check_models()  # so that a foreign `models` is named, rather than found to lack a module

from models.checkpoint import DEFAULT_WEIGHTS

from .errors import LaaError
from .interfaces import BackgroundUpscaler, EnlargedPhoto, FaceCrop, FaceDetector, FaceRestorer, RestoredFace
from .options import AUTO, CONFIDENCE, EVERY_FACE, PLAIN, FaceChoice, ModelOptions, Options
from .photo import FaceTag, PhotoHeader, check_enlargement
from .photo.pixels import Pixels, to_rgb8, without_alpha
from .restore.alignment import extract_crop
from .restore.background import AutoUpscaler, PlainUpscaler, background_rule, background_weights
from .restore.choice import check_placed, choose_faces
from .restore.doubt import estimate_doubt
from .restore.face_layers import Layers, keep_layers
from .restore.known_faces import find_faces
from .restore.paste import make_patch, paste
from .restore.picture_upscaler import PictureUpscaler
from .restore.proof import EstimateDoubt, no_doubt
from .restore.restorer import NetworkRestorer, Notice, silent
from .restore.runtime import Runtime, choose_runtime
from .restore.selection import FaceReport, assess, with_result
from .utils.precision import BFLOAT16
from .utils.sha256 import hash_file
from .utils.steps import Steps, run_to_end
from .utils.timing import StageTimer

__all__ = ["FaceChoice", "FaceReport", "ModelOptions", "Options", "Prepared", "Upscaled", "Upscaler"]


@dataclass(frozen=True)
class Upscaled:
    """The enlarged photo, (scale h, scale w, c) like the input, its faces, and the seconds spent in each stage.

    `background`, `background_fidelity`, `background_reason`: see `interfaces.EnlargedPhoto`. `layers`: what the faces were
    pasted from and onto, where that was to be kept.
    """

    pixels: Pixels
    faces: list[FaceReport]
    seconds: dict[str, float] = field(default_factory=dict)
    background: str = PLAIN
    background_fidelity: float | None = None
    background_reason: str = ""
    layers: Layers | None = None

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
    """Enlarges photos and super-resolves their small faces. Load once, call on as many photos as you like.

    `agent`: what a photo's mark says that made it.
    """

    def __init__(
        self,
        detect: FaceDetector,
        restore: FaceRestorer,
        background: BackgroundUpscaler | None = None,
        estimate_doubt: EstimateDoubt = no_doubt,
        agent: str = f"laa {__version__}",
    ) -> None:
        self.detect = detect
        self.restore = restore
        self.background = background or PlainUpscaler()
        self.estimate_doubt = estimate_doubt
        self.agent = agent

    @classmethod
    def load(
        cls,
        device: str = ModelOptions.device,
        weights: str | Path | None = ModelOptions.weights,
        min_face_px: float = ModelOptions.min_face_px,
        confidence: float | None = ModelOptions.confidence,
        fidelity: float | None = ModelOptions.fidelity,
        background: str | os.PathLike[str] = ModelOptions.background,
        precision: str = ModelOptions.precision,
    ) -> Upscaler:
        """Loads the models: see ModelOptions. Raises LaaError where one cannot be loaded."""
        options = ModelOptions(
            device=device,
            precision=precision,
            weights=Path(weights) if weights else None,
            min_face_px=min_face_px,
            confidence=confidence,
            fidelity=fidelity,
            background=os.path.join(os.curdir, background) if isinstance(background, os.PathLike) else background,
        )
        return cls.from_options(options)

    @classmethod
    def from_options(cls, options: ModelOptions, notice: Notice = silent) -> Upscaler:
        """Builds the three replaceable parts; `notice` as in `read_weights`. Raises LaaError where one cannot be loaded."""
        runtime = choose_runtime(options.device, options.precision)
        restorer, background = build_restorer(options, runtime, notice), build_background(options, runtime.device, notice)
        detector = build_detector(options, runtime)  # last, for it takes longest
        return cls(detector, restorer, background, partial(estimate_doubt, restorer), software_agent(options))

    def __call__(
        self, pixels: Pixels, options: Options | None = None, choice: FaceChoice = EVERY_FACE, tags: Sequence[FaceTag] = ()
    ) -> Upscaled:
        """`pixels`: (h, w, c) uint8 or uint16, c: 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA -> the same kind, enlarged.

        `tags`: the faces that the photo's metadata tags (`Photo.face_tags`). Raises LaaError where `pixels` is no such array,
        the result would have more than `options.max_pixels`, or a chosen face is not there.
        """
        options = options or Options()
        check_pixels(pixels)
        self.check_size(pixels, options, "the photo")
        prepared = self.prepare(pixels, options, choice, tags)
        timer = StageTimer()
        restored = self.restore(prepared.crops)
        timer.lap("network")
        return self.finish(replace(prepared, seconds=prepared.seconds | timer.seconds), restored)

    def check_size(self, pixels: Pixels, options: Options, name: str) -> None:
        """Refuses a photo whose enlargement would have too many pixels or take too much memory. Raises LaaError."""
        height, width, channels = pixels.shape
        header = PhotoHeader("array", width, height, channels * pixels.itemsize)
        check_enlargement(header, options.scale, options.max_pixels, name, self.background_bytes)

    def prepare(
        self,
        pixels: Pixels,
        options: Options,
        choice: FaceChoice = EVERY_FACE,
        tags: Sequence[FaceTag] = (),
        name: str = "the photo",
    ) -> Prepared:
        """Runs the stages before the network: finds faces and extracts the crops of those to restore.

        `tags`: as in `__call__`. LaaError where a chosen face is not there; it calls the photo `name`.
        """
        timer = StageTimer()
        check_placed(choice.placed, pixels.shape[1], pixels.shape[0], name)
        faces = find_faces(self.detect, to_rgb8(pixels), tags, choice.placed)
        timer.lap("detect")
        reasons = choose_faces(faces, choice, name)
        reports = [assess(face, options, reason) for face, reason in zip(faces, reasons, strict=True)]
        crops = [FaceCrop(extract_crop(pixels, report.square, report.roll_deg)) for report in reports if report.restored]
        timer.lap("crop")
        return Prepared(pixels, options, reports, crops, timer.seconds)

    def finish(self, prepared: Prepared, restored: list[RestoredFace], *, keep_layers: bool = False) -> Upscaled:
        """Runs the stages after the network: enlarges the photo and pastes the faces. `restored`: one for each crop.

        `keep_layers`: whether the result is to have what it was put together from, too.
        """
        return run_to_end(self.finish_steps(prepared, restored, keep_layers=keep_layers))

    def finish_steps(self, prepared: Prepared, restored: list[RestoredFace], *, keep_layers: bool = False) -> Steps[Upscaled]:
        """Runs `finish` in steps: yields how much of the photo is enlarged, 0..1, and may be given up there."""
        timer = StageTimer()
        enlarged = yield from self.background_at(prepared.options.scale).steps(prepared.pixels, prepared.options.scale)
        timer.lap("enlarge")
        yield 1.0
        faces, layers = self.paste_faces(enlarged, prepared, restored, keep=keep_layers)
        timer.lap("paste")
        return Upscaled(
            enlarged.pixels,
            faces,
            prepared.seconds | timer.seconds,
            background=enlarged.background,
            background_fidelity=enlarged.fidelity,
            background_reason=enlarged.reason,
            layers=layers,
        )

    def background_at(self, scale: int) -> BackgroundUpscaler:
        """Returns what enlarges the photo at this scale: at 1 the background is left alone."""
        return self.background if scale > 1 else PlainUpscaler()

    def background_bytes(self, height: int, width: int, scale: int) -> int:
        """Estimates the memory that the background takes of a photo: see `BackgroundUpscaler.peak_bytes`."""
        return self.background_at(scale).peak_bytes(height, width, scale)

    def paste_faces(
        self, enlarged: EnlargedPhoto, prepared: Prepared, restored: list[RestoredFace], *, keep: bool = False
    ) -> tuple[list[FaceReport], Layers | None]:
        """Pastes the worthwhile faces onto the enlarged photo, in place. Returns what was done to each face, and its layers.

        `keep`: whether there are to be any.
        """
        options, results = prepared.options, iter(restored)
        faces = [with_result(report, next(results)) if report.restored else report for report in prepared.faces]
        colors = without_alpha(enlarged.pixels)
        worthwhile = [result for result in restored if result.worthwhile]
        pasted = [(number, report) for number, report in enumerate(faces, 1) if report.restored]
        place = partial(make_patch, scale=options.scale, feather=options.feather, channels=colors.shape[2])
        pairs = zip(pasted, worthwhile, strict=True)
        patches = [
            (number, report.face.name, place(result.face, report.square, report.roll_deg)) for (number, report), result in pairs
        ]
        layers = keep_layers(enlarged.pixels, patches) if keep else None
        paste(colors, [patch for _, _, patch in patches])
        return faces, layers


def software_agent(options: ModelOptions) -> str:
    """Says by which laa and which weights faces are made, as the mark in a photo does: "laa 1.2.3 (laa-photo 0123abcd)"."""
    path = options.weights or DEFAULT_WEIGHTS
    return f"laa {__version__} ({path.stem} {hash_file(path)[:8]})"


def build_detector(options: ModelOptions, runtime: Runtime | None = None) -> FaceDetector:
    """Builds the face detector, by default for the runtime of the options. Raises LaaError where the device is not there."""
    from .detect.mtcnn import MTCNNDetector  # here, because its libraries are slow to import

    confidence = CONFIDENCE if options.confidence is None else options.confidence
    runtime = runtime or choose_runtime(options.device, options.precision)
    dtype = torch.bfloat16 if runtime.precision == BFLOAT16 else torch.float32
    return MTCNNDetector(runtime.device, min_face_px=options.min_face_px, confidence=confidence, dtype=dtype)


def build_restorer(options: ModelOptions, runtime: Runtime, notice: Notice = silent) -> NetworkRestorer:
    """Builds the face restorer; `notice` as in `read_weights`. Raises LaaError where the weights cannot be used."""
    return NetworkRestorer.load(options.weights, runtime, options.fidelity, notice)


def build_background(options: ModelOptions, device: torch.device, notice: Notice = silent) -> BackgroundUpscaler:
    """Builds what enlarges the photo outside the faces; `notice` as in `read_weights`.

    Raises LaaError where a model file cannot be used.
    """
    path = background_weights(options)
    if path is None:
        return PlainUpscaler()
    network = PictureUpscaler.load(path, device, notice=notice)
    return AutoUpscaler(network) if background_rule(options, device) == AUTO else network


def check_pixels(pixels: Pixels) -> None:
    """Refuses arrays that are no photo, which only callers from Python can pass."""
    if (
        pixels.ndim != 3
        or pixels.shape[2] not in (1, 2, 3, 4)
        or 0 in pixels.shape
        or pixels.dtype not in (np.uint8, np.uint16)
    ):
        raise LaaError(f"a photo is a uint8 or uint16 array (h, w, 1 to 4), not {pixels.dtype} {pixels.shape}")
