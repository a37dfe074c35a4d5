"""Keeping a restored face true to the photo: reduced to the photo's resolution, it should be what the photo shows.

The paper has no such step. It costs little beside the network, keeps colours, pose and large structure from drifting, and gives
a crop larger than 16 px the detail back that a network's answer lacks. What the photo shows is not only the face, though: noise
and JPEG's blocks are in it too, so the finer part of the correction is only as strong as the photo is clean (see `gauge`).
"""

from __future__ import annotations

from torch import Tensor

from models.protocol import resize

ROUNDS = 5  # of back-projection; more change PSNR by less than 0.01 dB
COARSE = 4  # the coarse part of a crop has a pixel for every 4x4


def back_project(faces: Tensor, crops: Tensor, rounds: int = ROUNDS) -> Tensor:
    """Corrects faces until they show, reduced to the photo's resolution, what the photo shows.

    Iterative back-projection (Irani & Peleg 1991): `faces` (n, 3, s, s), `crops` (n, 3, e, e) -> (n, 3, s, s) in [0, 1].
    """
    for _ in range(rounds):
        faces = faces + resize(crops - resize(faces, crops.shape[-1]), faces.shape[-1])
    return faces.clamp(0, 1)


def back_project_partially(faces: Tensor, crops: Tensor, fidelity: float) -> Tensor:
    """Faces as near to what the photo shows as `fidelity` says, 0..1; colours and large structure always are.

    `faces` (n, 3, s, s), `crops` (n, 3, e, e) -> (n, 3, s, s) in [0, 1].
    """
    coarse, fine = split_correction(faces, crops)
    return (coarse + fidelity * fine).clamp(0, 1)


def split_correction(faces: Tensor, crops: Tensor) -> tuple[Tensor, Tensor]:
    """Faces corrected in their coarse part alone, and what is missing to `true_to_photo`; both (n, 3, s, s)."""
    change = back_project(faces, crops) - faces
    coarse = resize(resize(change, max(COARSE, crops.shape[-1] // COARSE)), faces.shape[-1])
    return faces + coarse, change - coarse


def rmse_at_crop_resolution(faces: Tensor, crops: Tensor) -> float:
    """RMSE between faces (n, 3, s, s), reduced to the photo's resolution, and crops (n, 3, e, e); 0..1."""
    return (resize(faces, crops.shape[-1]) - crops).square().mean().sqrt().item()
