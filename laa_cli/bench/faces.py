"""`laa bench faces`: quality and cost of weights on faces whose truth is known."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from models.checkpoint import PROTOCOL_WEIGHTS

from ..console import Screen
from ..errors import Exit
from ..faceset.format import check_exists, source_files
from ..options import ModelOptions
from ..restore.restorer import NetworkRestorer, read_weights
from ..restore.runtime import Runtime
from ..utils.hardware import choose_device, machine_info
from ..utils.inputs import Inputs
from ..utils.plotting import load_figure_class
from .data import BenchFaces, crop_detected_faces, crop_to_face, read_set
from .degradation import CLEAN, FACE_FAULTS
from .evaluate import MethodResult, baselines, evaluate, our_methods, our_restorers
from .outputs import check_outputs, write_outputs
from .peers import load_peer
from .perceptual import MetricColumn, available_metrics, metric_columns
from .report import draw_sheet, encode_png, faces_page, select_examples
from .requests import CURVE_FACES, FacesRequest, OutputFormat
from .result import FacesResult
from .size_curve import FACE_SIZES_PX, CurvePoint, curve_png, measure_curve, methods_at_any_size
from .table import emit

DETECTOR_MIN_FACE_PX = 80  # for crops of 128 px: boxes come out a little short
CURVE_METRICS = ("psnr_db", "ssim", "lpips")


def run(request: FacesRequest, screen: Screen, output_format: OutputFormat) -> Exit:
    """Measures, prints and writes. What cannot be written or loaded is an error before anything is measured."""
    inputs = Inputs.of([*source_files(request.data), *request.weights, *request.peers])
    check_outputs(request.outputs, inputs, overwrite=request.overwrite)
    if request.draws_curves:
        load_figure_class()  # for its errors
    check_exists(request.data)
    for weights in request.weights:
        read_weights(weights, screen.notice)
    device = choose_device(request.device)
    methods = [*baselines(), *our_methods(list(request.weights), device), *(load_peer(path, device) for path in request.peers)]
    columns = metric_columns(fetch=request.fetch)
    machine = machine_info()
    faces = read(request, device, screen)
    rows: list[MethodResult] = []
    for method in methods:
        row = evaluate(method, faces.faces, available_metrics(columns), screen)
        screen.say(f"measured: {method.name}, {row.mean('psnr_db').mean:.2f} dB")
        rows.append(row)
    curve = measure_curves(request, device, faces.faces, columns, screen)
    result = FacesResult(faces, str(device), machine, columns, rows, curve)
    emit(result.tables(), result.record, result.csv, output_format, screen)
    write(request, result, inputs)
    return Exit.PARTLY if faces.left_out else Exit.OK


def read(request: FacesRequest, device: torch.device, screen: Screen) -> BenchFaces:
    """Reads the faces to measure on, or detects them in photos."""
    if not request.prepare:
        return read_set(request.data, crop_to_face, request.limit, screen)
    from ..upscale import build_detector

    detector = build_detector(ModelOptions(min_face_px=DETECTOR_MIN_FACE_PX), Runtime.on(device))
    faces = read_set(request.data, crop_detected_faces(detector), request.limit, screen)
    if faces.faceless:
        screen.notice(f"photos without a face whose crop is 128 px or more: {faces.faceless}")
    return faces


def measure_curves(
    request: FacesRequest, device: torch.device, faces: Tensor, columns: list[MetricColumn], screen: Screen
) -> list[CurvePoint]:
    """Measures the points of the curves over size, reporting each: they take a while. `faces`: (n, 3, 128, 128) uint8 RGB."""
    if not request.measures_curves:
        return []
    points = [(fault, side_px) for fault in (FACE_FAULTS if request.faults else [CLEAN]) for side_px in FACE_SIZES_PX]
    through_16 = NetworkRestorer.load(PROTOCOL_WEIGHTS, Runtime.on(device))  # whatever weights laa ships or is given
    methods = methods_at_any_size(our_restorers(list(request.weights), device), through_16)
    metrics = [(key, metric) for key, metric in available_metrics(columns) if key in CURVE_METRICS]
    curve: list[CurvePoint] = []
    for point in screen.track(points, "sizes and faults"):
        curve += measure_curve(methods, faces[: request.limit or CURVE_FACES], [point], metrics)
        screen.say(describe_point(curve[-1]))
    return curve


def describe_point(point: CurvePoint) -> str:
    """Formats a point of a curve as one line: our PSNR, and by how much it exceeds every other row's."""
    psnr = {row: figures["psnr_db"] for row, figures in point.rows.items()}
    ours = psnr.pop(point.our_row)
    gains = ", ".join(f"{ours - value:+.2f} against {row}" for row, value in psnr.items())
    return f"{point.fault:7} {point.side_px:3} px: {point.our_row} {ours:.2f} dB, {gains}"


def write(request: FacesRequest, result: FacesResult, inputs: Inputs) -> None:
    """Writes the pictures and the page that are asked for."""
    if not request.outputs:
        return
    examples = select_examples(result)
    curve = curve_png(result.curve) if request.draws_curves else None
    contents: Iterable[tuple[Path | None, bytes | None]] = (
        (request.sheet, encode_png(draw_sheet(examples))),
        (request.curve, curve),
        (request.report, faces_page(result, examples, curve).encode() if request.report else None),
    )
    asked = {path: content for path, content in contents if path is not None and content is not None}
    write_outputs(asked, inputs, overwrite=request.overwrite)
