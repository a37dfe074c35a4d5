"""`laa bench faces`: what weights are worth, on faces whose truth is known."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ..console import Screen
from ..device import choose_device
from ..learn.faces import HR_FACE_PX, read_faces
from ..learn.validation import measure
from ..restore import Restorer
from .conditions import FACE_SIZES_PX, FAULTS
from .curve import THROUGH_16, Point, points, rows
from .metrics import available, columns

CURVE_FACES = 96  # of a curve, unless --limit says otherwise: its points cost as much as forty tables
CURVE_METRICS = ("psnr_db", "ssim", "lpips")


@dataclass(frozen=True)
class Request:
    """What to measure."""

    data: Path
    weights: Path | None = None
    device: str = "auto"
    sizes: bool = False  # the curve over sizes, clean
    faults: bool = False  # and with each fault
    limit: int | None = None  # the first faces only
    fetch: bool = False  # metrics' weights that are missing may be downloaded


def run(request: Request, screen: Screen, *, as_json: bool) -> None:
    """Prints the protocol's figures and, where asked for, the curves."""
    restorer = Restorer.load(request.weights, choose_device(request.device))
    faces = read_faces([request.data], HR_FACE_PX)[: request.limit]
    figures = measure(restorer.run, faces, restorer.device).summary()
    curve = curves(request, restorer, faces, screen)
    if as_json:
        screen.record(
            {
                "weights": str(request.weights or "laa-x8"),
                "data": str(request.data),
                **figures,
                "curve": list(map(asdict, curve)),
            }
        )
    show(figures, request.data, screen)


def curves(request: Request, restorer: Restorer, faces: Tensor, screen: Screen) -> list[Point]:
    """The points asked for, said one by one, then as a table for each fault."""
    faults = list(FAULTS) if request.faults else ["clean"] if request.sizes else []
    if not faults:
        return []
    conditions = [(fault, side_px) for fault in faults for side_px in FACE_SIZES_PX]
    compared = rows(restorer, Restorer.load(THROUGH_16, restorer.device))
    metrics = [(key, metric) for key, metric in available(columns(fetch=request.fetch)) if key in CURVE_METRICS]
    found: list[Point] = []
    for condition in screen.track(conditions, "sizes and faults"):
        found += points(compared, faces[: request.limit or CURVE_FACES], [condition], metrics)
        screen.say(line(found[-1]))
    for fault in faults:
        show_curve([point for point in found if point.fault == fault], screen)
    return found


def line(point: Point) -> str:
    """A point in a few words."""
    laa, others = point.rows["laa"], [(row, figures) for row, figures in point.rows.items() if row != "laa"]
    gains = ", ".join(f"{laa['psnr_db'] - figures['psnr_db']:+.2f} over {row}" for row, figures in others)
    return f"{point.fault:7} {point.side_px:3} px: {laa['psnr_db']:.2f} dB, {gains}"


def show_curve(curve: list[Point], screen: Screen) -> None:
    """The table of one fault: PSNR of every row, and what else laa gains over bicubic."""
    others = [column for column in columns() if column.key in curve[0].rows["laa"] and column.key != "psnr_db"]
    head = (">crop, px", *(f">{row}" for row in curve[0].rows), *(f">{column.title} gain" for column in others))
    lines = [
        (
            f"{point.side_px}",
            *(f"{figures['psnr_db']:.2f}" for figures in point.rows.values()),
            *(f"{point.rows['laa'][c.key] - point.rows['bicubic'][c.key]:+.{c.digits}f}" for c in others),
        )
        for point in curve
    ]
    screen.table(f"{curve[0].fault}, {curve[0].faces} faces: PSNR at 128 px in dB, and gains of laa over bicubic", head, lines)


def show(figures: dict[str, Any], data: Path, screen: Screen) -> None:
    """The table."""
    lines = [
        ("bicubic", f"{figures['bicubic_psnr_db']:.2f}", f"{figures['bicubic_ssim']:.4f}", ""),
        ("laa", f"{figures['psnr_db']:.2f}", f"{figures['ssim']:.4f}", f"{figures['gain_db']:+.2f}"),
    ]
    title = f"{figures['validated_faces']} faces of {data}, 16 to 128 px, on Y"
    screen.table(title, ("method", ">PSNR, dB", ">SSIM", ">gain, dB"), lines)
