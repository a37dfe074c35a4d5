"""A contact sheet: what came out, at a glance, the least sharp faces first."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..photo import Photo, encode_photo
from .journal import StoredFace
from .split import VALIDATION

ACROSS, DOWN = 12, 8
FACE_PX, CAPTION_PX, GAP_PX = 96, 14, 6
INK, PAPER, FRAME = (40, 40, 40), (255, 255, 255), (230, 120, 0)


def contact_sheet(faces: list[StoredFace], picture: Callable[[StoredFace], bytes]) -> bytes:
    """A PNG of up to 96 faces, spread evenly over their sharpness; those for validation are framed."""
    ranked = sorted(faces, key=lambda face: face.crop.sharpness)
    count = min(len(ranked), ACROSS * DOWN)
    shown = [ranked[index * len(ranked) // count] for index in range(count)]
    rows = -(-count // ACROSS)
    step = FACE_PX + GAP_PX, FACE_PX + CAPTION_PX + GAP_PX
    sheet = Image.new("RGB", (GAP_PX + step[0] * min(count, ACROSS), GAP_PX + step[1] * rows + CAPTION_PX), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(10)
    for index, face in enumerate(shown):
        left, top = GAP_PX + index % ACROSS * step[0], GAP_PX + index // ACROSS * step[1]
        if face.crop.split == VALIDATION:
            draw.rectangle((left - 3, top - 3, left + FACE_PX + 2, top + FACE_PX + 2), FRAME)
        with Image.open(io.BytesIO(picture(face))) as image:
            sheet.paste(image.convert("RGB").resize((FACE_PX, FACE_PX), Image.Resampling.LANCZOS), (left, top))
        draw.text((left, top + FACE_PX + 1), f"{face.crop.side_px} px  {face.crop.sharpness:.0f}", INK, font)
    legend = f"{count} of {len(faces)} faces: side of the crop, sharpness; framed: for validation"
    draw.text((GAP_PX, sheet.height - CAPTION_PX - 2), legend, INK, font)
    return encode_photo(Photo(np.asarray(sheet)), ".png")
