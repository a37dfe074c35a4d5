"""The pipeline on pixels, and laa's Python API: enlarge, detect, crop, restore, paste."""

from __future__ import annotations

import time
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

from models.protocol import CROP_MARGIN, resize

from .crop import Square, cut, square_around
from .detect import Detector, Face
from .device import choose_device
from .errors import Exit, LaaError
from .paste import Patch, paste
from .pixels import Floats, Pixels, opaque, rgb8, to_floats
from .resample import enlarge
from .restore import Restorer

SCALES = (1, 2, 4, 8)
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601, for grey photos


@dataclass(frozen=True)
class Options:
    """How to enlarge a photo and treat its faces. Raises LaaError on values that make no sense."""

    scale: int = 4
    max_face_px: float = 56  # crop side above which a face is left alone: measured, see docs/model-card.md
    margin: float = CROP_MARGIN  # crop side over the longer side of the face's box
    feather: float = 0.2  # soft rim, as a share of the crop's side
    max_pixels: int = 700_000_000  # of the enlarged photo; about 8 bytes of memory each

    def __post_init__(self) -> None:
        """Names the first value that is out of range."""
        ranges = {"max_face_px": (0, 1e6), "margin": (1, 3), "feather": (0, 0.5), "max_pixels": (1, 2**40)}
        if self.scale not in SCALES:
            raise LaaError(f"--scale must be one of {', '.join(map(str, SCALES))}, not {self.scale}", Exit.USAGE)
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                flag = name.removesuffix("_px").replace("_", "-")
                raise LaaError(f"--{flag} must lie between {low:g} and {high:g}, not {getattr(self, name):g}", Exit.USAGE)


@dataclass(frozen=True)
class FaceReport:
    """A face, its crop in photo pixels, and what was done to it."""

    face: Face
    square: Square
    restored: bool
    reason: str
    consistency: float | None = None  # RMSE between the restored face, reduced to the photo's resolution, and the photo; 0..1


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


class Restores(Protocol):
    """What a restorer does: see `restore.Restorer`."""

    def __call__(self, crops: list[Tensor]) -> list[Tensor]: ...


class Upscaler:
    """Enlarges photos and super-resolves their small faces. Load once, call on as many photos as you like."""

    def __init__(self, detect: Callable[[NDArray[np.uint8]], Sequence[Face]], restore: Restores) -> None:
        self.detect, self.restore = detect, restore

    @classmethod
    def load(
        cls, device: str = "auto", weights: str | Path | None = None, min_face_px: float = 12, confidence: float | None = None
    ) -> Upscaler:
        """With MTCNN and a weights file, by default the shipped one. LaaError where either cannot be loaded."""
        chosen = choose_device(device)
        restorer = Restorer.load(Path(weights) if weights else None, chosen)
        return cls(load_detector(chosen, min_face_px, confidence), restorer)

    def __call__(self, pixels: Pixels, options: Options | None = None) -> Upscaled:
        """`pixels`: (h, w, c) uint8 or uint16, c: 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA -> the same kind, enlarged.

        Raises LaaError where `pixels` is no such array or the result would have more than `options.max_pixels`.
        """
        prepared = self.prepare(pixels, options or Options())
        clock = Clock()
        restored = self.restore(prepared.crops)
        clock.lap("network")
        return finish(replace(prepared, seconds=prepared.seconds | clock.seconds), restored)

    def prepare(self, pixels: Pixels, options: Options) -> Prepared:
        """The stages before the network: finds the faces and cuts out those to restore. Input and errors as for a call."""
        check_pixels(pixels)
        check_size(pixels.shape[1], pixels.shape[0], options)
        clock = Clock()
        faces = self.detect(rgb8(pixels))
        clock.lap("detect")
        reports = [examine(face, options) for face in faces]
        crops = [as_crop(cut(pixels, report.square)) for report in reports if report.restored]
        clock.lap("crop")
        return Prepared(pixels, options, reports, crops, clock.seconds)


def finish(prepared: Prepared, restored: list[Tensor]) -> Upscaled:
    """The stages after the network: enlarges the photo and pastes the faces. `restored`: (3, 128, 128) for each crop."""
    clock, scale = Clock(), prepared.options.scale
    canvas = enlarge(prepared.pixels, scale)
    clock.lap("enlarge")
    colours = opaque(canvas)
    squares = [report.square for report in prepared.faces if report.restored]
    patches = [as_patch(face, square, scale, colours.shape[2]) for face, square in zip(restored, squares, strict=True)]
    paste(colours, patches, prepared.options.feather)
    clock.lap("paste")
    faces = with_consistency(prepared.faces, restored, prepared.crops)
    return Upscaled(canvas, faces, prepared.seconds | clock.seconds)


def load_detector(device: torch.device, min_face_px: float, confidence: float | None) -> Detector:
    """MTCNN with its own default confidence unless one is given."""
    if confidence is None:
        return Detector(device, min_face_px=min_face_px)
    return Detector(device, min_face_px=min_face_px, confidence=confidence)


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


def examine(face: Face, options: Options) -> FaceReport:
    """Whether a face is worth the network, and why."""
    square = square_around(face.box_xyxy, options.margin)
    small = square.side <= options.max_face_px
    reason = f"{'within' if small else 'larger than'} --max-face {options.max_face_px:g}"
    return FaceReport(face, square, restored=small, reason=reason)


def as_crop(pixels: NDArray[np.generic]) -> Tensor:
    """(e, e, c) integers of any kind -> (3, e, e) RGB in [0, 1]; alpha is ignored."""
    return torch.from_numpy(to_floats(opaque(pixels))).permute(2, 0, 1).expand(3, -1, -1).contiguous()


def as_patch(face: Tensor, square: Square, scale: int, channels: int) -> Patch:
    """A restored face (3, 128, 128) at its place and size in the enlarged photo, grey for a grey photo."""
    side = square.side * scale
    values: Floats = resize(face[None], side)[0].clamp(0, 1).permute(1, 2, 0).numpy()
    if channels == 1:
        values = values @ LUMA[:, None]
    return Patch(Square(square.x * scale, square.y * scale, side), values)


def with_consistency(reports: list[FaceReport], restored: list[Tensor], crops: list[Tensor]) -> list[FaceReport]:
    """Adds to each restored face how far it is from what the photo shows."""
    errors = iter(
        (resize(face[None], crop.shape[-1])[0] - crop).square().mean().sqrt().item()
        for face, crop in zip(restored, crops, strict=True)
    )
    return [replace(report, consistency=next(errors)) if report.restored else report for report in reports]


class Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Ends a stage."""
        now = time.perf_counter()
        self.seconds[stage] = now - self.last
        self.last = now

    def take(self, seconds: dict[str, float]) -> None:
        """Adds stages that were timed elsewhere, and goes on from now."""
        self.seconds |= seconds
        self.last = time.perf_counter()
