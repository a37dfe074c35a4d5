"""Pictures of a run: the learning curve, and preview sheets of what the network makes of a few faces or photos.

`laa_cli.photo` writes people's photos and needs OpenCV for it; training must run where that is missing, so PNGs are made here.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from models.protocol import network_input, reduce

from ..utils.plotting import figure_to_png, load_figure_class
from .log import Row, column

CURVE_INCHES, CURVE_DPI = (9.2, 3.0), 100
CURVE_COLOURS = ("#1e5aaa", "#d26414", "#2a8a4a", "#8a3a9a")
GRID_COLOUR = "#e1e1e1"
PREVIEW_FACES = 8
LABEL_PX = 16


def draw_learning_curve(rows: list[Row], gain_labels: dict[str, str], noun: str) -> bytes:
    """Draws the log as a PNG: on the left the loss, on the right the EMA's gain over bicubic, both over the samples seen.

    `gain_labels`: columns of gains (dB), and what they are called; `noun`: what samples are for people.
    """
    figure = load_figure_class()(CURVE_INCHES, layout="constrained")
    loss, gain = figure.subplots(1, 2)
    plot_columns(loss, "L1 loss", rows, {"loss": "training"}, noun)
    plot_columns(gain, "gain over bicubic, dB", rows, gain_labels, noun)
    return figure_to_png(figure, CURVE_DPI)


def plot_columns(axes: Any, title: str, rows: list[Row], labels: dict[str, str], noun: str) -> None:
    """Plots columns of the log over the samples seen, with a mark at every value and the last value in the legend."""
    from matplotlib.ticker import EngFormatter

    faces = column(rows, "faces")
    axes.set_prop_cycle(color=CURVE_COLOURS)
    for name, label in labels.items():
        points = [(x, y) for x, y in zip(faces, column(rows, name), strict=True) if math.isfinite(y)]
        if points:
            x, y = zip(*points, strict=True)
            axes.plot(x, y, marker="o", markersize=4, label=f"{label}: {y[-1]:.4g}")
            axes.legend(frameon=False)
    axes.set_title(title, loc="left", fontsize="medium")
    axes.set_xlabel(f"{noun} seen")
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))  # 1.5k, 2M
    axes.grid(color=GRID_COLOUR)


@torch.inference_mode()
def draw_face_preview(network: Callable[[Tensor], Tensor], faces: Tensor, device: torch.device) -> bytes:
    """Draws the reduced faces enlarged, the network's, the truth; always of the same faces.

    `faces`: (n, 3, 128, 128) uint8 RGB.
    """
    truth = faces[spread_out(len(faces), PREVIEW_FACES)].float().div(255)
    enlarged = network_input(reduce(truth))
    restored = network(enlarged.to(device)).float().cpu()
    return draw_sheet({"16 px, enlarged": enlarged, "restored": restored, "truth": truth})


def spread_out(count: int, most: int) -> Tensor:
    """Chooses up to `most` of `count` indices, evenly, always the same."""
    return torch.arange(min(most, count)) * count // min(most, count)


def draw_sheet(rows: dict[str, Tensor]) -> bytes:
    """Draws a PNG with a row for each entry, its label above it. All (n, 3, s, s) RGB in [0, 1]."""
    first = next(iter(rows.values()))
    side = first.shape[-1]
    sheet = Image.new("RGB", (side * len(first), (side + LABEL_PX) * len(rows)), (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    for index, (label, images) in enumerate(rows.items()):
        top = index * (side + LABEL_PX)
        draw.text((4, top + 1), label, (50, 50, 50), ImageFont.load_default(11))
        pixels = images.clamp(0, 1).mul(255).round().byte().permute(2, 0, 3, 1).flatten(1, 2)
        sheet.paste(Image.fromarray(pixels.contiguous().numpy()), (0, top + LABEL_PX))
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()
