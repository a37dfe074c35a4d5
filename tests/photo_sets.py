"""Small photos for training the background, and a tiny network for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from fakes import detailed_picture
from PIL import Image

from laa_cli.train.photo_data import PhotoSet, TrainingPhoto, decode_photos
from models.hpinet.config import HPINetConfig

TINY_HPINET = HPINetConfig(scale=2, dim=8, qk_dim=4, mlp_dim=8, patch_sizes=(16,), layers=2, tail="one_step")
TINY_SETTINGS = ["dim=8", "qk_dim=4", "mlp_dim=8", "patch_sizes=16", "layers=2"]


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """Structure at all scales."""
    square = detailed_picture(max(width, height), seed).mul(255).round().byte()
    return Image.fromarray(np.ascontiguousarray(square[:, :height, :width].permute(1, 2, 0).numpy()))


def photo_folder(folder: Path, sizes: list[tuple[int, int]], first_seed: int = 0) -> Path:
    """Writes photos of (width, height), lossless."""
    folder.mkdir()
    for number, (width, height) in enumerate(sizes):
        picture(width, height, first_seed + number).save(folder / f"{number:03}.png")
    return folder


def photo_folders(folder: Path) -> tuple[Path, Path]:
    """Folders of photos for training and for validation, at scale 2."""
    training = photo_folder(folder / "training", [(130, 100), (97, 140), (200, 104)])
    return training, photo_folder(folder / "validation", [(110, 100), (100, 120)], 50)


def coordinates(height: int, width: int, scale: int) -> TrainingPhoto:
    """A photo whose pixels tell their place at low resolution: red the row, green the column."""
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    lr = torch.stack((row, column, torch.zeros_like(row))).byte()
    return TrainingPhoto("coordinates", lr.repeat_interleave(scale, 1).repeat_interleave(scale, 2), lr)


def photo_set(folder: Path, scale: int = 2) -> PhotoSet:
    """The photos of a folder as a training set."""
    return PhotoSet.of(list(decode_photos([folder], scale, None)))
