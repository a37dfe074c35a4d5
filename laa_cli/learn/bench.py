"""`laa bench faces`: what a weights file is worth, on faces whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.protocol import HR_SIZE, psnr_db, reduce, resize

from ..console import Screen
from ..device import choose_device
from ..restore import Restorer, true_to_photo
from .faces import HR_FACE_PX, read_faces
from .validation import measure

FACE_SIZES_PX = (12, 16, 20, 24, 32, 40, 48, 56, 64, 80, 96)


def run(data: Path, weights: Path | None, device: str, screen: Screen, *, as_json: bool, sizes: bool) -> None:
    """Prints the protocol's figures and, with `sizes`, the gain over the size of the face in the photo."""
    restorer = Restorer.load(weights, choose_device(device))
    faces = read_faces([data], HR_FACE_PX)
    figures = measure(restorer.run, faces, restorer.device).summary()
    curve = [by_size(restorer, faces, size) for size in FACE_SIZES_PX] if sizes else []
    if as_json:
        screen.record({"weights": str(weights or "laa-x8"), "data": str(data), **figures, "sizes": curve})
    show(figures, curve, data, screen)


@torch.inference_mode()
def by_size(restorer: Restorer, faces: Tensor, side_px: int) -> dict[str, Any]:
    """PSNR on Y at 128 px for faces whose crop in the photo measures `side_px`: bicubic, the network alone, and laa."""
    sums = torch.zeros(4, dtype=torch.float64)
    for part in faces.split(16):
        truth = part.float().div(255)
        crops = reduce(truth, side_px)
        bicubic = resize(crops, HR_SIZE).clamp(0, 1)
        network = restorer.alone(reduce(crops))
        rows = (bicubic, true_to_photo(bicubic, crops), network, true_to_photo(network, crops))
        sums += torch.stack([psnr_db(row, truth).sum() for row in rows])
    bicubic_db, projected_db, network_db, laa_db = (sums / len(faces)).tolist()
    return {"crop_px": side_px, "bicubic_db": bicubic_db, "ibp_db": projected_db, "network_db": network_db, "laa_db": laa_db}


def show(figures: dict[str, Any], curve: list[dict[str, Any]], data: Path, screen: Screen) -> None:
    """The tables."""
    rows = [
        ("bicubic", f"{figures['bicubic_psnr_db']:.2f}", f"{figures['bicubic_ssim']:.4f}", ""),
        ("laa", f"{figures['psnr_db']:.2f}", f"{figures['ssim']:.4f}", f"{figures['gain_db']:+.2f}"),
    ]
    title = f"{figures['validated_faces']} faces of {data}, 16 to 128 px, on Y"
    screen.table(title, ("method", ">PSNR, dB", ">SSIM", ">gain, dB"), rows)
    if curve:
        columns = (">crop, px", ">bicubic", ">back-projection", ">network alone", ">laa", ">laa - back-projection")
        sizes = [
            (
                *(f"{value:.2f}" if name != "crop_px" else str(value) for name, value in row.items()),
                f"{row['laa_db'] - row['ibp_db']:+.2f}",
            )
            for row in curve
        ]
        screen.table("PSNR at 128 px over the size of the crop in the photo, dB", columns, sizes)
