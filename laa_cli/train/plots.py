"""A picture of a run: the loss and the validation over the faces seen."""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from models.protocol import network_input, reduce

from .log import Row, column

PANEL_PX = (460, 300)
LEFT_PX, BOTTOM_PX, TOP_PX, RIGHT_PX = 62, 40, 34, 22
FINE = 2  # drawn this much larger, then reduced
COLOURS = ((30, 90, 170), (210, 100, 20))
PAPER, INK, RULE = (255, 255, 255), (50, 50, 50), (225, 225, 225)
PANELS = (
    ("L1 loss", {"loss": "training"}),
    ("gain over bicubic, dB", {"gain_db": "16 px, clean", "photo_gain_db": "as in photos"}),
)


def draw_learning_curve(lines: list[Row]) -> bytes:
    """A PNG of the log's lines: on the left the loss, on the right the gain of the moving average over bicubic."""
    picture = Image.new("RGB", (FINE * PANEL_PX[0] * len(PANELS), FINE * PANEL_PX[1]), PAPER)
    faces = column(lines, "faces")
    for number, (title, names) in enumerate(PANELS):
        series = {label: column(lines, name) for name, label in names.items() if any(line.get(name) for line in lines)}
        Panel(ImageDraw.Draw(picture), number * PANEL_PX[0], title).plot(faces, series)
    return to_png(picture.resize((PANEL_PX[0] * len(PANELS), PANEL_PX[1]), Image.Resampling.LANCZOS))


class Panel:
    """One pair of axes."""

    def __init__(self, draw: ImageDraw.ImageDraw, left_px: int, title: str) -> None:
        self.draw, self.left, self.title = draw, left_px + LEFT_PX, title
        self.width, self.height = PANEL_PX[0] - LEFT_PX - RIGHT_PX, PANEL_PX[1] - TOP_PX - BOTTOM_PX

    def plot(self, x: list[float], series: dict[str, list[float]]) -> None:
        """Lines with a mark at every value, the last value written beside its name."""
        values = [value for line in series.values() for value in line if math.isfinite(value)]
        across, up = scale([0.0, *x]), scale(values or [0.0, 1.0])
        self.axes(across, up)
        for number, (label, line) in enumerate(series.items()):
            colour = COLOURS[number]
            points = [
                (self.left + self.width * place(a, across), TOP_PX + self.height * (1 - place(b, up)))
                for a, b in zip(x, line, strict=True)
                if math.isfinite(b)
            ]
            self.draw.line([(FINE * a, FINE * b) for a, b in points], colour, 2 * FINE, "curve")
            for a, b in points:
                self.draw.ellipse([FINE * v for v in (a - 2.5, b - 2.5, a + 2.5, b + 2.5)], colour)
            last = next((value for value in reversed(line) if math.isfinite(value)), math.nan)
            self.text(self.left + self.width - 4, TOP_PX + 6 + 16 * number, f"{label}: {last:.4g}", "rt", colour)

    def axes(self, across: list[float], up: list[float]) -> None:
        """Rules, ticks and titles."""
        for tick in up:
            y = TOP_PX + self.height * (1 - place(tick, up))
            self.rule(self.left, y, self.left + self.width, y)
            self.text(self.left - 6, y, f"{tick:.6g}", "rm")
        for tick in across:
            x = self.left + self.width * place(tick, across)
            self.rule(x, TOP_PX, x, TOP_PX + self.height)
            self.text(x, TOP_PX + self.height + 6, short(tick), "mt")
        self.text(self.left, TOP_PX - 10, self.title, "ls")
        self.text(self.left + self.width / 2, PANEL_PX[1] - 4, "faces seen", "mb")

    def rule(self, *ends: float) -> None:
        """A thin line."""
        self.draw.line([FINE * value for value in ends], RULE, FINE)

    def text(self, x: float, y: float, text: str, anchor: str, colour: tuple[int, int, int] = INK) -> None:
        """A word at a place."""
        self.draw.text((FINE * x, FINE * y), text, colour, ImageFont.load_default(12 * FINE), anchor)


def scale(values: list[float]) -> list[float]:
    """About five round ticks that hold all values."""
    low, high = min(values), max(values)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def place(value: float, ticks: list[float]) -> float:
    """Where a value is between the first tick and the last, 0 to 1."""
    return (value - ticks[0]) / (ticks[-1] - ticks[0])


def short(count: float) -> str:
    """1500 -> 1.5k, 2000000 -> 2M."""
    for unit, suffix in ((1e6, "M"), (1e3, "k")):
        if count >= unit:
            return f"{count / unit:.4g}{suffix}"
    return f"{count:.4g}"


# A picture of what the network makes of a few validation faces, always the same ones.


FACES = 8
LABELS = ("16 px, enlarged", "restored", "truth")
LABEL_PX = 16


@torch.inference_mode()
def draw_preview(network: Callable[[Tensor], Tensor], faces: Tensor, device: torch.device) -> bytes:
    """A PNG with three rows: the reduced faces enlarged, the network's, the truth. `faces`: (n, 3, 128, 128) uint8 RGB."""
    chosen = torch.arange(min(FACES, len(faces))) * len(faces) // min(FACES, len(faces))
    truth = faces[chosen].float().div(255)
    enlarged = network_input(reduce(truth))
    restored = network(enlarged.to(device)).float().cpu()
    side = truth.shape[-1]
    sheet = Image.new("RGB", (side * len(chosen), (side + LABEL_PX) * len(LABELS)), (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    for number, (label, row) in enumerate(zip(LABELS, (enlarged, restored, truth), strict=True)):
        top = number * (side + LABEL_PX)
        draw.text((4, top + 1), label, (50, 50, 50), ImageFont.load_default(11))
        pixels = row.clamp(0, 1).mul(255).round().byte().permute(2, 0, 3, 1).flatten(1, 2)
        sheet.paste(Image.fromarray(pixels.contiguous().numpy()), (0, top + LABEL_PX))
    return to_png(sheet)


# Drawings as PNG. `laa_cli.photo` writes people's photos and needs OpenCV for it; training must run where that is missing.


def to_png(drawing: Image.Image) -> bytes:
    """The content of a PNG file."""
    file = io.BytesIO()
    drawing.save(file, "PNG")
    return file.getvalue()
