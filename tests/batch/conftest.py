"""Fixtures of the tests of `laa batch`."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import write_photo_of_noise


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four photos in a tree and one file that is none."""
    for seed, name in enumerate(("a.png", "b/a.jpg", "b/c/ä ö.png", "d.bmp")):
        write_photo_of_noise(tmp_path / "in" / name, seed)
    (tmp_path / "in" / "b" / "notes.txt").write_text("not a photo")
    return tmp_path
