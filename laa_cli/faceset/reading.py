"""Sets of face pictures for training and validation: a folder or tar files of pictures, or several of them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import LaaError
from ..utils.tar import DAMAGED, iter_members, open_tar

HR_FACE_PX = 128  # the protocol's crop
STORED_FACE_PX = 144  # a training face: the crop and room around it for shifts
PICTURES = {".png", ".webp", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}


def read_faces(sources: list[Path], size_px: int) -> Tensor:
    """All faces of folders and tar files as (n, 3, size, size) uint8 RGB, in the order of the names within each source.

    Every picture must be size x size. Raises LaaError on the first source or picture that cannot be used.
    """
    items = [item for source in sources for item in encoded_pictures(source)]
    if not items:
        raise LaaError(f"no pictures in {', '.join(map(str, sources))}: expected a folder or tar of {size_px}x{size_px} faces")
    faces = torch.empty(len(items), 3, size_px, size_px, dtype=torch.uint8)

    def fill(place: int) -> None:
        faces[place] = decode(*items[place], size_px)

    with ThreadPoolExecutor() as pool:
        for _ in pool.map(fill, range(len(items))):
            pass
    return faces


def names_in(sources: list[Path]) -> list[str]:
    """What the faces that `read_faces` gives are called, in its order."""
    return [name for source in sources for name, _ in encoded_pictures(source)]


def encoded_pictures(source: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each picture in a folder (walked) or tar file."""
    try:
        if source.is_dir():
            for path in sorted(source.rglob("*")):
                if path.suffix.lower() in PICTURES:
                    yield str(path), path.read_bytes()
        else:
            with open_tar(source) as (tar, _):
                for member in sorted(iter_members(tar), key=lambda member: member.name):
                    content = tar.extractfile(member) if Path(member.name).suffix.lower() in PICTURES else None
                    if content is not None:
                        yield f"{source}:{member.name}", content.read()
    except DAMAGED as error:
        raise LaaError(f"cannot read faces from {source}: {error}") from error


def decode(name: str, content: bytes, size_px: int) -> Tensor:
    """One picture as (3, size, size) uint8 RGB."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            rgb = np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise LaaError(f"cannot read the face {name}: {error}") from error
    if rgb.shape[:2] != (size_px, size_px):
        raise LaaError(f"the face {name} is {rgb.shape[1]}x{rgb.shape[0]}, not {size_px}x{size_px}")
    return torch.from_numpy(rgb.copy()).permute(2, 0, 1)
