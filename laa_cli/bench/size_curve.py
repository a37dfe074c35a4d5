"""What becomes of a face in a photo: its size there, and the faults that cameras and files add."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from models.checkpoint import PROTOCOL_WEIGHTS
from models.protocol import network_input, reduce

from ..errors import Exit, LaaError
from ..photo.pixels import Floats
from ..restore.back_projection import back_project
from ..restore.restorer import NetworkRestorer
from .evaluate import BATCH, Restore, as_method, back_project_bicubic
from .perceptual import Metric

FACE_SIZES_PX = (12, 16, 20, 24, 32, 48, 64, 96)  # sides of the crop in the photo


@dataclass(frozen=True)
class Degradation:
    """What a photo does to a face, in this order: reduction, blur, noise, rounding to 8 bits, JPEG (4:2:0)."""

    lanczos: bool = False  # Pillow's, as photo editors reduce; otherwise the protocol's antialiased bicubic
    blur_px: float = 0  # sigma of a Gaussian, in px of the photo
    noise: float = 0  # sigma of Gaussian noise on each channel, in levels of 255
    jpeg_quality: int | None = None


DEGRADATIONS = {
    "clean": Degradation(),
    "jpeg75": Degradation(jpeg_quality=75),
    "jpeg50": Degradation(jpeg_quality=50),
    "noise5": Degradation(noise=5),
    "mixed": Degradation(lanczos=True, blur_px=0.5, noise=3, jpeg_quality=60),
}


def degrade(truth: Tensor, side_px: int, fault: str, seed: int = 0) -> Tensor:
    """Faces as a photo shows them: (n, 3, 128, 128) RGB in [0, 1] -> (n, 3, side, side), 8-bit levels in [0, 1].

    The noise of a face follows from its pixels, its size and the seed, not from its place in the batch.
    LaaError on a fault that is not in FAULTS.
    """
    if fault not in DEGRADATIONS:
        raise LaaError(f"unknown fault {fault!r}: use one of {', '.join(DEGRADATIONS)}", Exit.USAGE)
    levels = np.stack([degrade_face(face, side_px, DEGRADATIONS[fault], seed) for face in truth])
    return torch.from_numpy(levels).permute(0, 3, 1, 2).float().div(255)


def degrade_face(face: Tensor, side_px: int, fault: Degradation, seed: int) -> NDArray[np.uint8]:
    """One face (3, 128, 128) in [0, 1] -> (side, side, 3) uint8."""
    whole = to_uint8(face)
    pixels = reduce_lanczos(whole, side_px) if fault.lanczos else to_uint8(reduce(face[None], side_px)[0])
    values: Floats = pixels.astype(np.float32)
    if fault.blur_px:
        values = cv2.GaussianBlur(values, (0, 0), fault.blur_px).astype(np.float32)
    if fault.noise:
        random = np.random.default_rng([seed, side_px, zlib.crc32(whole.tobytes())])
        values = values + fault.noise * random.standard_normal(values.shape, np.float32)
    rounded = values.round().clip(0, 255).astype(np.uint8)
    return jpeg_roundtrip(rounded, fault.jpeg_quality) if fault.jpeg_quality else rounded


def to_uint8(face: Tensor) -> NDArray[np.uint8]:
    """(3, h, w) in [0, 1] -> (h, w, 3) uint8."""
    return np.ascontiguousarray(face.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy())


def reduce_lanczos(pixels: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 -> (side, side, 3) uint8."""
    return np.asarray(Image.fromarray(pixels).resize((side_px, side_px), Image.Resampling.LANCZOS))


def jpeg_roundtrip(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """What a JPEG file with 4:2:0 chroma makes of (h, w, 3) uint8 RGB."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(file) as picture:
        return np.asarray(picture)


# Restored faces against the size of the face in the photo, and against the photo's faults.


THROUGH_16 = PROTOCOL_WEIGHTS  # what the row of that name is made with, whatever laa ships or is given


@dataclass(frozen=True)
class CurvePoint:
    """Mean figures, {row: {metric: value}}, of faces whose crop measures `side_px` in a photo with a fault."""

    fault: str
    side_px: int
    faces: int
    rows: dict[str, dict[str, float]]


def methods_at_any_size(restorers: dict[str, NetworkRestorer], through_16: NetworkRestorer) -> dict[str, Restore]:
    """What is compared: two baselines, laa's first way through 16x16 whatever the photo shows, and what `upscale` does."""
    fixed: dict[str, Restore] = {
        "bicubic": network_input,
        "back-projection": back_project_bicubic,
        "through 16x16": lambda crops: back_project(through_16.network_only(reduce(crops)), crops),
    }
    return fixed | {name: as_method(restorer) for name, restorer in restorers.items()}


def measure_curve(
    restore: dict[str, Restore], faces: Tensor, conditions: list[tuple[str, int]], metrics: list[tuple[str, Metric]]
) -> Iterator[CurvePoint]:
    """Measures each pair of fault and size. `faces`: (n, 3, 128, 128) uint8 RGB, the truth."""
    for fault, side_px in conditions:
        yield CurvePoint(fault, side_px, len(faces), measure_point(restore, faces, fault, side_px, metrics))


@torch.inference_mode()
def measure_point(
    restore: dict[str, Restore], faces: Tensor, fault: str, side_px: int, metrics: list[tuple[str, Metric]]
) -> dict[str, dict[str, float]]:
    """The means under one condition."""
    sums = {row: dict.fromkeys((key for key, _ in metrics), 0.0) for row in restore}
    for part in faces.split(BATCH):
        truth = part.float().div(255)
        crops = degrade(truth, side_px, fault)
        for row, function in restore.items():
            output = function(crops)
            for key, metric in metrics:
                sums[row][key] += metric(output, truth).sum().item()
    return {row: {key: value / len(faces) for key, value in figures.items()} for row, figures in sums.items()}


# The curves as a picture.


COLOURS = ("#888888", "#444444", "#d08000", "#0077bb", "#00aa77", "#cc3377")


def require_matplotlib() -> Any:
    """Its Figure; LaaError where there is none, so call it before long work."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise LaaError(f"a picture of the curves needs matplotlib ({error}): pip install 'laa[bench]'") from error
    return Figure


def curve_png(curve: list[CurvePoint]) -> bytes:
    """PSNR over the size of the crop in the photo, and below it the gain over bicubic; a column for each fault."""
    faults = list(dict.fromkeys(point.fault for point in curve))
    figure = require_matplotlib()(figsize=(max(5, 3.4 * len(faults)), 6.4), layout="constrained")
    panels = figure.subplots(2, len(faults), sharex=True, sharey="row", squeeze=False)
    for column, fault in enumerate(faults):
        points = [point for point in curve if point.fault == fault]
        draw(panels[0][column], points, over=None)
        draw(panels[1][column], points, over="bicubic")
        panels[0][column].set_title(f"{fault}, {points[0].faces} faces")
        panels[1][column].set_xlabel("crop in the photo, px")
    panels[0][0].set_ylabel("PSNR on Y at 128 px, dB")
    panels[1][0].set_ylabel("gain over bicubic, dB")
    panels[0][0].legend()
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()


def draw(panel: Any, points: list[CurvePoint], over: str | None) -> None:
    """One panel: a line for each row, less the row `over`."""
    sizes = [point.side_px for point in points]
    for colour, row in zip(COLOURS * len(points[0].rows), points[0].rows, strict=False):
        values = [point.rows[row]["psnr_db"] - (point.rows[over]["psnr_db"] if over else 0) for point in points]
        panel.plot(sizes, values, ".-", color=colour, label=row)
    panel.set_xscale("log", base=2)
    panel.set_xticks(FACE_SIZES_PX, [str(size) for size in FACE_SIZES_PX], fontsize=8)
    panel.minorticks_off()
    panel.grid(alpha=0.3)
