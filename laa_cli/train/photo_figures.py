"""Figures of a network for the background on whole validation photos, beside bicubic's, and what it makes of a few of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from models.metrics import psnr_db, ssim
from models.protocol import resize

from .corruptions import jpeg
from .photo_data import TrainingPhoto
from .photo_patches import middle_patch
from .plots import draw_sheet, spread_out

QUICK_PHOTOS = 12  # used on the way; all of them count at the end
QUALITY = 75  # of the JPEG through which photos go once more
GAIN_LABELS = {f"jpeg{QUALITY}_gain_db": f"with JPEG {QUALITY}"}
PREVIEW_PHOTOS = 6


@torch.inference_mode()
def measure_photos(network: nn.Module, photos: list[TrainingPhoto], device: torch.device, *, quick: bool) -> dict[str, Any]:
    """Averages PSNR and SSIM on Y over photos, clean, and the gain over bicubic also where they went through JPEG.

    `quick`: over a few, evenly chosen, since names put photos of a kind beside each other.
    """
    count = min(QUICK_PHOTOS, len(photos)) if quick else len(photos)
    rows = [measure_photo(network, photos[index], device) for index in spread_out(len(photos), count).tolist()]
    means = {name: sum(row[name] for row in rows) / count for name in rows[0]}
    return {"validated_faces": count} | means


def measure_photo(network: nn.Module, photo: TrainingPhoto, device: torch.device) -> dict[str, float]:
    """Measures the network's and bicubic's enlargement of a photo."""
    lr, truth = (picture.float().div(255)[None] for picture in (photo.lr, photo.hr))
    clean, coded = (enlarge_both_ways(network, picture, photo.scale, device) for picture in (lr, jpeg(lr[0], QUALITY)[None]))
    truth = shave(truth, photo.scale)
    psnr, bicubic = (psnr_db(picture, truth).item() for picture in clean)
    psnr_coded, bicubic_coded = (psnr_db(picture, truth).item() for picture in coded)
    return {
        "psnr_db": psnr,
        "ssim": ssim(clean[0], truth).item(),
        "bicubic_psnr_db": bicubic,
        "bicubic_ssim": ssim(clean[1], truth).item(),
        "gain_db": psnr - bicubic,
        next(iter(GAIN_LABELS)): psnr_coded - bicubic_coded,
    }


def enlarge_both_ways(network: nn.Module, lr: Tensor, scale: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Enlarges (1, 3, h, w) by the network and by bicubic, and shaves both."""
    plain = resize(lr, (scale * lr.shape[2], scale * lr.shape[3]))
    return shave(network(lr.to(device)).float().cpu(), scale), shave(plain, scale)


def shave(picture: Tensor, px: int) -> Tensor:
    """Leaves out `px` at each side, which the figures of the field do not count: (..., h, w) -> (..., h - 2 px, w - 2 px)."""
    return picture[..., px:-px, px:-px]


@torch.inference_mode()
def draw_photo_preview(network: nn.Module, photos: list[TrainingPhoto], device: torch.device) -> bytes:
    """Draws squares out of the middle of a few photos, clean and from JPEG: enlarged, the network's, the truth."""
    pairs = [middle_patch(photos[index]) for index in spread_out(len(photos), PREVIEW_PHOTOS).tolist()]
    lr, truth = (torch.stack(patches) for patches in zip(*pairs, strict=True))
    coded = torch.stack([jpeg(patch, QUALITY) for patch in lr])
    rows: dict[str, Tensor] = {}
    for prefix, patches in (("", lr), (f"JPEG {QUALITY}, ", coded)):
        rows[f"{prefix}enlarged"] = resize(patches, truth.shape[-1])
        rows[f"{prefix}restored"] = network(patches.to(device)).float().cpu()
    return draw_sheet(rows | {"truth": truth})
