"""Drawings as PNG. `laa_cli.photo` writes people's photos and needs OpenCV for it; training must run where that is missing."""

from __future__ import annotations

import io

from PIL import Image


def to_png(drawing: Image.Image) -> bytes:
    """The content of a PNG file."""
    file = io.BytesIO()
    drawing.save(file, "PNG")
    return file.getvalue()
