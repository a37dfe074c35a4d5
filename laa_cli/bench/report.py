"""The HTML pages of `laa bench`, and the example faces on them and on the sheet: those that gained most, middling and least."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from models.protocol import HR_SIZE, reduce

from ..photo import Photo, encode_photo
from ..utils.html import escaped, page, slider
from ..utils.text import printable
from .degradation import to_uint8
from .evaluate import BACK_PROJECTION, BICUBIC, MethodResult
from .result import FacesResult
from .table import Table

EXAMPLES_EACH = 3  # best, median and worst faces
GAP_PX, HEAD_PX, LABEL_PX = 6, 38, 84  # of the sheet: between pictures, of the columns' names, of the rows' labels
FONT_PX = 13


@dataclass(frozen=True)
class Example:
    """A face, why it was chosen, and its pictures, (128, 128, 3) uint8 RGB by column: input, methods, truth."""

    label: str
    gain_db: float
    name: str
    pictures: dict[str, NDArray[np.uint8]]


def faces_page(result: FacesResult, examples: list[Example], curve: bytes | None) -> str:
    """Builds the page of `laa bench faces`. `curve`: the plot of the curves, as a PNG file."""
    parts = [
        section("Figures", result.quality_table().html(), result.cost_table().html()),
        section("Single faces", sliders(examples, result.ours.method.name)),
        section("Every method", image(encode_png(draw_sheet(examples)), "best, median and worst faces by gain")),
    ]
    if curve is not None:
        tables = "".join(table.html() for table in result.curve_tables())
        figures = f"<details><summary>In figures</summary>{tables}</details>"
        parts.append(
            section("The size of the face, and the photo's faults", image(curve, "PSNR over the face's size"), figures)
        )
    return page(f"laa bench: {result.faces}", "\n".join(parts))


def tables_page(title: str, tables: list[Table]) -> str:
    """Builds a page of tables only."""
    return page(title, "\n".join(table.html() for table in tables))


def select_examples(result: FacesResult) -> list[Example]:
    """Selects faces by their gain in PSNR over bicubic by `upscale`, and restores them by every method."""
    gains = result.ours.figures["psnr_db"] - result.bicubic.figures["psnr_db"]
    rows = [row for row in result.rows if row.method.name != BACK_PROJECTION]
    return [
        Example(label, gains[place].item(), result.faces.names[place], restore_by_each(result.faces.faces[place], rows))
        for place, label in rank_places(gains).items()
    ]


def draw_sheet(examples: list[Example]) -> NDArray[np.uint8]:
    """Draws a contact sheet: a line for each face, a column for each method, (h, w, 3) uint8 RGB."""
    columns = list(examples[0].pictures)
    step = HR_SIZE + GAP_PX
    size = (LABEL_PX + step * len(columns), HEAD_PX + step * len(examples))
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(FONT_PX)
    for place, name in enumerate(columns):
        corner = (LABEL_PX + place * step + HR_SIZE // 2, HEAD_PX - 4)
        draw.multiline_text(corner, wrap_name(name), "black", font, anchor="md", align="center")
    for line, example in enumerate(examples):
        top = HEAD_PX + line * step
        label = f"{example.label}\n{example.gain_db:+.2f} dB"
        draw.multiline_text((4, top + HR_SIZE // 2), label, "black", font, anchor="lm")
        for place, picture in enumerate(example.pictures.values()):
            canvas.paste(Image.fromarray(picture), (LABEL_PX + place * step, top))
    return np.asarray(canvas)


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encodes (h, w, 3) uint8 RGB as a PNG file."""
    return encode_photo(Photo(pixels), ".png")


def rank_places(gains: Tensor, each: int = EXAMPLES_EACH) -> dict[int, str]:
    """Returns the places of the best, median and worst of (n,) gains and their labels, the best first, none twice."""
    order = gains.argsort(descending=True).tolist()
    count = min(each, max(1, len(order) // 3))
    middle = (len(order) - count) // 2
    parts = {"best": order[:count], "median": order[middle : middle + count], "worst": order[-count:]}
    places: dict[int, str] = {}
    for label, part in parts.items():
        places |= {place: label for place in part if place not in places}
    return places


@torch.inference_mode()
def restore_by_each(face: Tensor, rows: list[MethodResult]) -> dict[str, NDArray[np.uint8]]:
    """Restores one face, (3, 128, 128) uint8 RGB, by each method; (128, 128, 3) uint8 RGB beside its input and its truth."""
    truth = face[None].float().div(255)
    lr = reduce(truth)
    outputs = {"16x16": F.interpolate(lr, HR_SIZE)} | {row.method.name: row.method.restore(lr) for row in rows}
    return {name: to_uint8(output[0]) for name, output in (outputs | {"truth": truth}).items()}


def wrap_name(name: str, letters: int = 18) -> str:
    """Wraps a column's name into at most two lines: its end counts most."""
    name = printable(name)
    return name if len(name) <= letters else f"{name[-2 * letters : -letters].lstrip()}\n{name[-letters:]}"


def section(title: str, *parts: str) -> str:
    """Formats a section of a page."""
    return f"<h2>{escaped(title)}</h2>\n" + "\n".join(parts)


def sliders(examples: list[Example], ours: str) -> str:
    """Formats a slider for each face, from bicubic to the method `ours`."""
    items = []
    for example in examples:
        before, after = (data_uri(encode_png(example.pictures[name])) for name in (BICUBIC, ours))
        gain = f"{example.label}, {example.gain_db:+.2f} dB"
        caption = f"<figcaption>{escaped(gain)}: {escaped(example.name.rsplit('/', 1)[-1])}</figcaption>"
        items.append(f"<figure>{slider(before, after, f'a face, {gain}', HR_SIZE, HR_SIZE)}{caption}</figure>")
    return f'<p>Bicubic on the left of each line, laa on the right.</p><div class="grid">{"".join(items)}</div>'


def image(content: bytes, alt: str) -> str:
    """Formats a PNG file as an image that can be scrolled, since it is wider than a phone."""
    return f'<div class="scroll"><img src="{data_uri(content)}" alt="{escaped(alt)}" loading="lazy"></div>'


def data_uri(content: bytes, kind: str = "png") -> str:
    """Encodes a picture file of a kind ("png", "webp") as a `data:` URI."""
    return f"data:image/{kind};base64," + base64.b64encode(content).decode()
