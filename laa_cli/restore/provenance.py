"""Describes what was made of a photo, as its content credentials say it."""

from __future__ import annotations

from collections.abc import Sequence

from ..photo.pixels import Pixels
from ..photo.signing import Region
from .paste import visible_window
from .selection import FaceReport


def restored_regions(faces: Sequence[FaceReport], result: Pixels, scale: int) -> tuple[Region, ...]:
    """Lists where in the result, (h, w, c), faces were restored: their crops, by their numbers among all faces."""
    restored = [(number, report.square.scaled(scale)) for number, report in enumerate(faces, 1) if report.restored]
    windows = [(number, visible_window(square, result)) for number, square in restored]
    return tuple(
        Region(f"face {number}", window.left, window.top, window.right - window.left, window.bottom - window.top)
        for number, window in windows
        if not window.empty
    )
