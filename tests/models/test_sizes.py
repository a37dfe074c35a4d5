"""The sizes of the protocol are there for whoever must not wait for torch."""

from __future__ import annotations

import subprocess
import sys

from fakes import ROOT

import models.protocol
from models import sizes


def test_the_sizes_import_nothing_heavy() -> None:
    code = "import sys, models.sizes; print(*sorted({'torch', 'numpy', 'safetensors'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


def test_the_protocol_hands_on_the_same_sizes() -> None:
    for name in ("LR_SIZE", "HR_SIZE", "CROP_MARGIN"):
        assert getattr(models.protocol, name) == getattr(sizes, name)
