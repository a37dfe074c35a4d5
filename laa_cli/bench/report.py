"""Everything on one page."""

from __future__ import annotations

import base64
from html import escape

import numpy as np
from numpy.typing import NDArray

from models.protocol import HR_SIZE

from ..page import page, slider
from ..photo import Photo, encode_photo
from .examples import Example, sheet
from .result import FacesResult
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
