"""`laa bench background`: quality and cost of background upscalers on pictures whose truth is known."""

from __future__ import annotations

from ..console import Screen
from ..errors import Exit
from ..faceset.format import check_exists, source_files
from ..utils.hardware import choose_device, machine_info
from ..utils.inputs import Inputs
from . import background_cost
from .background_data import BenchPictures, read_pictures
from .background_methods import Enlarge, PictureMethod, list_methods, list_peers
from .background_page import background_page, make_examples
from .background_quality import PictureRow, measure_fault, picture_columns
from .background_result import BackgroundResult
from .degradation import CLEAN, PICTURE_FAULTS
from .outputs import check_outputs, write_outputs
from .perceptual import MetricColumn
from .requests import BackgroundRequest, OutputFormat
from .table import emit


def run(request: BackgroundRequest, screen: Screen, output_format: OutputFormat) -> Exit:
    """Measures, prints and writes. What cannot be written or loaded is an error before anything is measured."""
    inputs = Inputs.of([*source_files(request.data), *request.backgrounds])
    check_outputs(request.outputs, inputs, overwrite=request.overwrite)
    check_exists(request.data)
    device = choose_device(request.device)
    methods = list_methods(request.backgrounds, request.scale, device, screen.notice)
    enlargers = [method.build(device) for method in methods]
    columns = picture_columns(request.scale, fetch=request.fetch)
    machine = machine_info()
    pictures = read_pictures(request.data, request.scale, request.limit, screen)
    faults = PICTURE_FAULTS if request.faults else (CLEAN,)
    rows = measure(pictures, methods, enlargers, faults, columns, screen)
    costed = [*methods, *list_peers(request.scale, screen)]
    costs = background_cost.measure_costs(costed, device, screen, background_cost.OUTPUT_PX)
    result = BackgroundResult(pictures, request.scale, str(device), machine, columns, rows, costs, background_cost.OUTPUT_PX)
    emit(result.tables(), result.record, result.csv, output_format, screen)
    if request.report is not None:
        content = background_page(result, make_examples(result, enlargers, screen))
        write_outputs({request.report: content.encode()}, inputs, overwrite=request.overwrite)
    return Exit.PARTLY if pictures.left_out else Exit.OK


def measure(
    pictures: BenchPictures,
    methods: list[PictureMethod],
    enlargers: list[Enlarge],
    faults: tuple[str, ...],
    columns: list[MetricColumn],
    screen: Screen,
) -> list[PictureRow]:
    """Measures all methods under each degradation, reporting each: it takes a while."""
    rows = [PictureRow(method, {}) for method in methods]
    for fault in faults:
        figures = measure_fault(enlargers, pictures.pictures, fault, columns, screen)
        for row, found in zip(rows, figures, strict=True):
            row.figures[fault] = found
        screen.say(describe_fault(fault, rows))
    return rows


def describe_fault(fault: str, rows: list[PictureRow]) -> str:
    """Formats one line: every method's PSNR under a degradation."""
    return f"measured: {fault}: " + ", ".join(f"{row.method.name} {row.mean(fault, 'psnr_db').mean:.2f} dB" for row in rows)
