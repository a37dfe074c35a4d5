"""matplotlib, where it cannot be had."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from fakes import ROOT

from laa_cli.errors import LaaError
from laa_cli.utils.plotting import load_figure_class


def test_a_matplotlib_that_cannot_be_imported_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(LaaError, match="cannot plot with matplotlib"):
        load_figure_class()


def test_an_unknown_backend_ends_training_before_it_begins() -> None:
    code = "from laa_cli.utils.plotting import load_figure_class\nload_figure_class()"
    environment = os.environ | {"MPLBACKEND": "chalk"}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert "LaaError: cannot plot with matplotlib" in result.stderr
