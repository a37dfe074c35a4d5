"""The learning curve."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from fakes import ROOT
from PIL import Image

from laa_cli.train.plots import draw_learning_curve

LABELS = {"gain_db": "16 px, clean", "photo_gain_db": "in photos"}


def curve(*rows: dict[str, Any]) -> np.ndarray[Any, Any]:
    with Image.open(io.BytesIO(draw_learning_curve(list(rows), LABELS, "faces"))) as picture:
        return np.asarray(picture.convert("RGB"))


def test_each_column_has_a_line_of_its_own_colour() -> None:
    rows = [{"faces": f, "loss": 1 / f, "gain_db": f / 10, "photo_gain_db": f / 20} for f in (1, 2, 3)]
    blue, orange = (30, 90, 170), (210, 100, 20)
    drawn = curve(*rows)
    assert drawn.shape == (300, 920, 3)
    left, right = drawn[:, :460], drawn[:, 460:]
    for half, colour, visible in ((left, blue, True), (left, orange, False), (right, blue, True), (right, orange, True)):
        assert (np.abs(half.astype(int) - colour).max(2) < 3).any() == visible


@pytest.mark.parametrize("rows", [[{"faces": "4", "loss": "nan"}], [{"faces": 4, "loss": 0.1, "gain_db": ""}]])
def test_what_a_log_lacks_is_left_out(rows: list[dict[str, Any]]) -> None:
    assert curve(*rows).std() > 5


def test_a_curve_is_drawn_without_pyplot() -> None:
    code = (
        "import sys\nfrom laa_cli.train.plots import draw_learning_curve\n"
        "draw_learning_curve([{'faces': 1, 'loss': 1}], {}, 'faces')\nprint('matplotlib.pyplot' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout == "False\n"
