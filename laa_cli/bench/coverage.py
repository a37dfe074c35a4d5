"""`laa bench doubt`: whether a face's error bars hold what they say, on faces whose truth is known."""

from __future__ import annotations

import torch
from torch import Tensor

from models.checkpoint import DEFAULT_WEIGHTS

from ..console import Screen
from ..errors import Exit, LaaError
from ..faceset.format import check_exists, source_files
from ..interfaces import FaceCrop
from ..restore.doubt import estimate_doubt
from ..restore.doubt_features import LEVELS
from ..restore.restorer import NetworkRestorer
from ..restore.runtime import choose_runtime
from ..utils.hardware import machine_info
from ..utils.inputs import Inputs
from .data import crop_to_face, read_set
from .degradation import CLEAN
from .doubt_result import DoubtCell, DoubtResult, rank_correlation
from .evaluate import weights_name
from .outputs import check_outputs, write_outputs
from .report import tables_page
from .requests import DoubtRequest, OutputFormat
from .size_curve import degrade
from .table import emit

FAULTS = (CLEAN, "jpeg75")
SIZES_PX = (16, 24, 32, 48)  # sides of the crop in the photo
SAMPLE_STEP = 4  # of each face, every fourth pixel of every fourth row counts for correlations over all faces


def run(request: DoubtRequest, screen: Screen, output_format: OutputFormat) -> Exit:
    """Measures, prints and writes. What cannot be written or loaded is an error before anything is measured."""
    inputs = Inputs.of([*source_files(request.data), *([request.weights] if request.weights else [])])
    check_outputs(request.outputs, inputs, overwrite=request.overwrite)
    check_exists(request.data)
    runtime = choose_runtime(request.device)
    weights = request.weights or DEFAULT_WEIGHTS
    restorer = NetworkRestorer.load(weights, runtime, notice=screen.notice)
    if not restorer.doubt_coefficients:
        raise LaaError(f"the weights {weights} were trained by a laa without error bars: choose others, or train them anew")
    machine = machine_info()
    faces = read_set(request.data, crop_to_face, request.limit, screen)
    cells: list[DoubtCell] = []
    samples: list[Tensor] = []
    for fault, side_px in [(fault, side_px) for fault in FAULTS for side_px in SIZES_PX]:
        cell, sample = measure_cell(restorer, faces.faces, fault, side_px, screen)
        screen.say(f"measured: {cell.describe()}")
        cells.append(cell)
        samples.append(sample)
    correlation = rank_correlation(*torch.cat(samples, 1))
    result = DoubtResult(faces, weights_name(weights), str(runtime.device), machine, cells, correlation)
    emit(result.tables(), result.record, result.csv, output_format, screen)
    if request.report is not None:
        page = tables_page(f"laa bench doubt: {faces}", result.tables())
        write_outputs({request.report: page.encode()}, inputs, overwrite=request.overwrite)
    return Exit.PARTLY if faces.left_out else Exit.OK


def measure_cell(
    restorer: NetworkRestorer, faces: Tensor, fault: str, side_px: int, screen: Screen
) -> tuple[DoubtCell, Tensor]:
    """Measures faces (n, 3, 128, 128) uint8 RGB at one size and under one degradation.

    Returns also a sample of the pixels' half widths and mean errors, (2, m), in levels.
    """
    figures: list[tuple[float, float, float, float]] = []
    samples: list[Tensor] = []
    for face in screen.track(faces, f"{fault}, {side_px} px"):
        half_width, error = measure_face(restorer, face.float().div(255), fault, side_px)
        mean_error = error.mean(0)
        coverage = (error <= half_width).float().mean().item()
        correlation = rank_correlation(half_width.flatten(), mean_error.flatten())
        figures.append((coverage, half_width.mean().item(), mean_error.mean().item(), correlation))
        pair = torch.stack([half_width, mean_error])
        samples.append(pair[:, ::SAMPLE_STEP, ::SAMPLE_STEP].flatten(1))
    coverage, widths, errors, correlations = torch.tensor(figures, dtype=torch.float64).T
    sample = torch.cat(samples, 1)
    return DoubtCell(fault, side_px, coverage, widths, errors, correlations, rank_correlation(*sample)), sample


def measure_face(restorer: NetworkRestorer, truth: Tensor, fault: str, side_px: int) -> tuple[Tensor, Tensor]:
    """Measures the half widths (128, 128) and the errors (3, 128, 128) of a face (3, 128, 128) in [0, 1], in levels."""
    crop = FaceCrop(degrade(truth[None], side_px, fault)[0])
    (restored,) = restorer([crop])
    doubt = estimate_doubt(restorer, crop, restored)
    if doubt is None:
        raise AssertionError("the restorer has no coefficients")
    return LEVELS * doubt.half_width, LEVELS * (restored.face - truth).abs()
