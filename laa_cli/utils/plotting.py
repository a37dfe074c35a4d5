"""Plots by matplotlib, as PNG files. It takes long to import, so that is done where something is plotted."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from ..errors import LaaError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def load_figure_class() -> type[Figure]:
    """Imports matplotlib's Figure. Raises LaaError where that cannot be: call it before long work that ends in a plot."""
    try:
        from matplotlib.figure import Figure
    except (ImportError, ValueError, OSError) as error:  # ValueError: of MPLBACKEND; OSError: no folder for its cache
        raise LaaError(f"cannot plot with matplotlib ({error}): check its installation, MPLBACKEND and MPLCONFIGDIR") from error
    return Figure


def figure_to_png(figure: Figure, dpi: int) -> bytes:
    """Renders a figure as a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    return file.getvalue()
