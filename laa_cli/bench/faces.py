"""`laa bench faces`: what weights are worth, on faces whose truth is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..console import Screen
from ..errors import Exit
from ..restore.restorer import NetworkRestorer
from ..utils.atomic import check_writable, write_atomically
from ..utils.hardware import choose_device, machine_info
from .data import BenchFaces, as_face_crop, faces_of_photos, read_set
from .evaluate import MethodResult, baselines, evaluate, our_methods, our_restorers
from .peers import load_peer
from .perceptual import Column, available, columns
from .report import examples, faces_page, png, sheet
from .result import FacesResult
from .size_curve import (
    DEGRADATIONS,
    FACE_SIZES_PX,
    THROUGH_16,
    CurvePoint,
    curve_png,
    measure_curve,
    methods_at_any_size,
    require_matplotlib,
)
from .table import OutputFormat, emit

CURVE_FACES = 96  # of a curve, unless --limit says otherwise: its points cost as much as forty tables
LOOKED_FOR_PX = 80  # in photos, for crops of 128 px: boxes come out a little short
CURVE_METRICS = ("psnr_db", "ssim", "lpips")


@dataclass(frozen=True)
class FacesRequest:
    """What to measure, and the pictures to make of it."""

    data: Path
    weights: Sequence[Path] = ()
    peers: Sequence[Path] = ()
    device: str = "auto"
    prepare: bool = False  # the data are photos, not faces
    sizes: bool = False  # the curve over sizes, clean
    faults: bool = False  # and with each fault
    limit: int | None = None  # the first faces only
    fetch: bool = False  # metrics' weights that are missing may be downloaded
    sheet: Path | None = None
    curve: Path | None = None
    report: Path | None = None
    overwrite: bool = False

    @property
    def curves(self) -> list[str]:
        """Faults that a curve is asked for."""
        return list(DEGRADATIONS) if self.faults else ["clean"] if self.sizes or self.curve else []

    @property
    def pictured(self) -> bool:
        """Whether the curves are drawn."""
        return bool(self.curves and (self.curve or self.report))

    @property
    def outputs(self) -> list[Path]:
        """Files to write."""
        return [path for path in (self.sheet, self.curve, self.report) if path is not None]


def run(request: FacesRequest, screen: Screen, form: OutputFormat) -> Exit:
    """Measures, prints and writes. What cannot be written or loaded is said before anything is measured."""
    for path in request.outputs:
        check_writable(path, overwrite=request.overwrite)
    if request.pictured:
        require_matplotlib()
    device = choose_device(request.device)
    methods = [*baselines(), *our_methods(list(request.weights), device), *(load_peer(path, device) for path in request.peers)]
    table, about = columns(fetch=request.fetch), machine_info()
    faces = read(request, device, screen)
    found: list[MethodResult] = []
    for method in methods:
        found.append(evaluate(method, faces.faces, available(table), screen))
        screen.say(f"measured: {method.name}, {found[-1].mean('psnr_db').mean:.2f} dB")
    result = FacesResult(faces, str(device), about, table, found, curves(request, device, faces.faces, table, screen))
    emit(result.tables(), result.record, result.csv, form, screen)
    write(request, result)
    return Exit.PARTLY if faces.left_out else Exit.OK


def read(request: FacesRequest, device: torch.device, screen: Screen) -> BenchFaces:
    """The faces to measure on."""
    if not request.prepare:
        return read_set(request.data, as_face_crop, request.limit, screen)
    from ..detect.mtcnn import MTCNNDetector

    faces = read_set(request.data, faces_of_photos(MTCNNDetector(device, min_face_px=LOOKED_FOR_PX)), request.limit, screen)
    if faces.faceless:
        screen.notice(f"photos without a face whose crop is 128 px or more: {faces.faceless}")
    return faces


def curves(request: FacesRequest, device: torch.device, faces: Tensor, table: list[Column], screen: Screen) -> list[CurvePoint]:
    """The points asked for, said one by one: they take a while."""
    conditions = [(fault, side_px) for fault in request.curves for side_px in FACE_SIZES_PX]
    if not conditions:
        return []
    compared = methods_at_any_size(our_restorers(list(request.weights), device), NetworkRestorer.load(THROUGH_16, device))
    metrics = [(key, metric) for key, metric in available(table) if key in CURVE_METRICS]
    found: list[CurvePoint] = []
    for condition in screen.track(conditions, "sizes and faults"):
        found += measure_curve(compared, faces[: request.limit or CURVE_FACES], [condition], metrics)
        screen.say(line(found[-1]))
    return found


def line(point: CurvePoint) -> str:
    """A point in a few words."""
    *others, (last, laa) = point.rows.items()
    gains = ", ".join(f"{laa['psnr_db'] - figures['psnr_db']:+.2f} against {row}" for row, figures in others)
    return f"{point.fault:7} {point.side_px:3} px: {last} {laa['psnr_db']:.2f} dB, {gains}"


def write(request: FacesRequest, result: FacesResult) -> None:
    """The pictures and the page."""
    if not request.outputs:
        return
    shown = examples(result)
    curve = curve_png(result.curve) if request.pictured else None
    contents: Iterable[tuple[Path | None, bytes | None]] = (
        (request.sheet, png(sheet(shown))),
        (request.curve, curve),
        (request.report, faces_page(result, shown, curve).encode() if request.report else None),
    )
    for path, content in contents:
        if path is not None and content is not None:
            write_atomically(path, content, overwrite=request.overwrite)
