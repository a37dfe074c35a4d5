"""Fixtures that several files of tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import SRGB, decode_photo, encode_image, exif_block, folder_of, pictures, save_background
from PIL import Image

from laa_cli.photo import Metadata


@pytest.fixture
def data(tmp_path: Path) -> tuple[Path, Path]:
    """Folders of made-up faces for training and for validation."""
    return folder_of(pictures(4, 144), tmp_path / "train"), folder_of(pictures(3, 128), tmp_path / "validation")


@pytest.fixture(scope="module")
def metadata() -> Metadata:
    """Metadata of every kind, as laa reads it."""
    block = decode_photo(encode_image(Image.new("RGB", (4, 4)), "JPEG", exif=exif_block())).metadata.exif
    return Metadata(block, SRGB, (300.0, 240.0), b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")


@pytest.fixture
def shipped_background(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model file in the place of the shipped weights of the background."""
    path = save_background(tmp_path / "shipped.safetensors")
    for module in ("models.checkpoint", "laa_cli.restore.picture_network"):
        monkeypatch.setattr(f"{module}.BACKGROUND_WEIGHTS", path)
    return path
