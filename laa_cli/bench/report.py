"""Everything on one page."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from models.protocol import HR_SIZE, reduce

from ..photo import Photo, encode_photo
from ..utils.html import page, slider
from .evaluate import MethodResult
from .result import FacesResult
from .size_curve import to_uint8
from .table import Table


def faces_page(result: FacesResult, faces: list[Example], curve: bytes | None) -> str:
    """The page of `laa bench faces`. `curve`: the picture of the curves, as a PNG file."""
    parts = [
        section("Figures", *(table.html() for table in result.tables()[:2])),
        section("Single faces", sliders(faces, result.ours.method.name)),
        section("Every method", image(png(sheet(faces)), "best, median and worst faces by gain")),
    ]
    if curve is not None:
        tables = "".join(table.html() for table in result.tables()[2:])
        figures = f"<details><summary>In figures</summary>{tables}</details>"
        parts.append(
            section("The size of the face, and the photo's faults", image(curve, "PSNR over the face's size"), figures)
        )
    return page(f"laa bench: {result.faces}", "\n".join(parts))


def tables_page(title: str, tables: list[Table]) -> str:
    """A page of tables only."""
    return page(title, "\n".join(table.html() for table in tables))


def section(title: str, *parts: str) -> str:
    """A part of a page."""
    return f"<h2>{escape(title)}</h2>\n" + "\n".join(parts)


def sliders(faces: list[Example], ours: str) -> str:
    """Bicubic against what `upscale` does."""
    items = []
    for face in faces:
        before, after = (data_uri(png(face.pictures[name])) for name in ("bicubic", ours))
        words = f"{face.label}, {face.gain_db:+.2f} dB"
        caption = f"<figcaption>{escape(words)}: {escape(face.name.rsplit('/', 1)[-1])}</figcaption>"
        items.append(f"<figure>{slider(before, after, f'a face, {words}', HR_SIZE, HR_SIZE)}{caption}</figure>")
    return f'<p>Bicubic on the left of each line, laa on the right.</p><div class="grid">{"".join(items)}</div>'


def image(content: bytes, alt: str) -> str:
    """A picture, wider than a phone: it can be scrolled."""
    return f'<div class="scroll"><img src="{data_uri(content)}" alt="{escape(alt)}" loading="lazy"></div>'


def png(pixels: NDArray[np.uint8]) -> bytes:
    """(h, w, 3) uint8 RGB as a PNG file."""
    return encode_photo(Photo(pixels), ".png")


def data_uri(content: bytes) -> str:
    """A PNG file inside an address."""
    return "data:image/png;base64," + base64.b64encode(content).decode()


# Single faces to look at: those that gained most, middling and least, by every method.


EACH = 3  # best, median and worst faces
GAP_PX, HEAD_PX, LABEL_PX = 6, 38, 84
WORDS_PX = 13


@dataclass(frozen=True)
class Example:
    """A face, why it was chosen, and how it looks, (128, 128, 3) uint8 RGB by column: input, methods, truth."""

    label: str
    gain_db: float
    name: str
    pictures: dict[str, NDArray[np.uint8]]


def examples(result: FacesResult) -> list[Example]:
    """By the gain of what `upscale` does."""
    gains = result.ours.figures["psnr_db"] - result.bicubic.figures["psnr_db"]
    shown = [row for row in result.rows if row.method.name != "back-projection"]
    return [
        Example(label, gains[place].item(), result.faces.names[place], pictures(result.faces.faces[place], shown))
        for place, label in chosen(gains).items()
    ]


def chosen(gains: Tensor) -> dict[int, str]:
    """Places of the best, median and worst faces, the best first, none twice."""
    order = gains.argsort(descending=True).tolist()
    count = min(EACH, max(1, len(order) // 3))
    middle = (len(order) - count) // 2
    parts = {"best": order[:count], "median": order[middle : middle + count], "worst": order[-count:]}
    places: dict[int, str] = {}
    for label, part in parts.items():
        places |= {place: label for place in part if place not in places}
    return places


@torch.inference_mode()
def pictures(face: Tensor, rows: list[MethodResult]) -> dict[str, NDArray[np.uint8]]:
    """One face, (3, 128, 128) uint8, by every method."""
    truth = face[None].float().div(255)
    lr = reduce(truth)
    outputs = {"16x16": F.interpolate(lr, HR_SIZE)} | {row.method.name: row.method.restore(lr) for row in rows}
    return {name: to_uint8(output[0]) for name, output in (outputs | {"truth": truth}).items()}


def sheet(faces: list[Example]) -> NDArray[np.uint8]:
    """All of them: a line for each face, a column for each method, (h, w, 3) uint8 RGB."""
    columns = list(faces[0].pictures)
    step = HR_SIZE + GAP_PX
    size = (LABEL_PX + step * len(columns), HEAD_PX + step * len(faces))
    canvas = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(WORDS_PX)
    for place, name in enumerate(columns):
        corner = (LABEL_PX + place * step + HR_SIZE // 2, HEAD_PX - 4)
        draw.multiline_text(corner, wrap_name(name), "black", font, anchor="md", align="center")
    for line, face in enumerate(faces):
        top = HEAD_PX + line * step
        draw.multiline_text((4, top + HR_SIZE // 2), f"{face.label}\n{face.gain_db:+.2f} dB", "black", font, anchor="lm")
        for place, picture in enumerate(face.pictures.values()):
            canvas.paste(Image.fromarray(picture), (LABEL_PX + place * step, top))
    return np.asarray(canvas)


def wrap_name(name: str, letters: int = 18) -> str:
    """A column's name in at most two lines: its end counts most."""
    return name if len(name) <= letters else f"{name[-2 * letters : -letters].lstrip()}\n{name[-letters:]}"
