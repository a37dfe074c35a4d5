"""Made-up faces for tests, and folders of them."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from models.protocol import resize


def pictures(count: int, size: int) -> torch.Tensor:
    """Smooth made-up faces, (count, 3, size, size) uint8."""
    values = resize(torch.rand(count, 3, 9, 9, generator=torch.Generator().manual_seed(count)), size)
    return values.clamp(0, 1).mul(255).byte()


def folder_of(faces: torch.Tensor, folder: Path) -> Path:
    folder.mkdir()
    for number, face in enumerate(faces):
        Image.fromarray(face.permute(1, 2, 0).numpy()).save(folder / f"{number:03}.png")
    return folder
