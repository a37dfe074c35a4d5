"""Fixtures that several files of tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import folder_of, pictures


@pytest.fixture
def data(tmp_path: Path) -> tuple[Path, Path]:
    """Folders of made-up faces for training and for validation."""
    return folder_of(pictures(4, 144), tmp_path / "train"), folder_of(pictures(3, 128), tmp_path / "validation")
