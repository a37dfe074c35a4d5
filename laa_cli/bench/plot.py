"""The curves as a picture."""

from __future__ import annotations

import io
from typing import Any

from ..errors import LaaError
from .conditions import FACE_SIZES_PX
from .curve import CurvePoint

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
