"""laa: brings small faces in photos back into focus with the LAA-Transformer. The Python API is `laa_cli.upscale`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from .errors import LaaError

__version__ = "0.5.0"


def check_models() -> None:
    """Raises LaaError where another package named `models` hides laa's own, which lies beside this one."""
    ours = Path(__file__).resolve().parent.parent / "models"
    found = importlib.util.find_spec("models")
    folders = [Path(place).resolve() for place in (found.submodule_search_locations or [found.origin or ""])] if found else []
    if ours not in folders[:1]:
        where = folders[0] if folders else "nowhere"
        raise LaaError(
            f"Python finds the package 'models' at {where}, not laa's own at {ours}: start laa from another folder, "
            "or install it by itself with `uv tool install` or `pipx install`"
        )
