"""Back-projection: corrects a restored face until, reduced to the photo's resolution, it is what the photo shows.

The paper has no such step. It costs little beside the network, keeps colours, pose and large structure from drifting, and gives
a crop larger than 16 px the detail back that a network's output lacks. What the photo shows is not only the face, though: noise
and JPEG's blocks are in it too, so the finer part of the correction is only as strong as the photo is clean (see `fidelity`).
"""

from __future__ import annotations

from torch import Tensor

from models.protocol import resize

from ..utils.tensor_ops import rms

ITERATIONS = 5  # of back-projection; more change PSNR by less than 0.01 dB
COARSE = 4  # the coarse part of a crop has a pixel for every 4x4
RELAXATION = 1.3  # of a whole photo's fine part: +0.17 dB on clean pictures as one plain step gives +0.15, and two give +0.18


def back_project(faces: Tensor, crops: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """Applies iterative back-projection (Irani & Peleg 1991), so that faces, reduced to the crops' resolution, equal the crops.

    `faces` (n, 3, s, s), `crops` (n, 3, e, e), RGB in [0, 1] -> (n, 3, s, s) in [0, 1].
    """
    for _ in range(iterations):
        faces = faces + resize(crops - resize(faces, crops.shape[-1]), faces.shape[-1])
    return faces.clamp(0, 1)


def back_project_partially(faces: Tensor, crops: Tensor, fidelity: float) -> Tensor:
    """Applies back-projection's coarse part (colours and large structure) wholly, and its fine part by `fidelity`, 0..1.

    `faces` (n, 3, s, s), `crops` (n, 3, e, e), RGB in [0, 1] -> (n, 3, s, s) in [0, 1].
    """
    coarse, fine = split_correction(faces, crops)
    return (coarse + fidelity * fine).clamp(0, 1)


def split_correction(faces: Tensor, crops: Tensor) -> tuple[Tensor, Tensor]:
    """Splits back-projection into coarse and fine: the faces with its coarse part alone, and what is then missing to all of it.

    `faces` (n, 3, s, s), `crops` (n, 3, e, e), RGB in [0, 1] -> both (n, 3, s, s), not clamped.
    """
    correction = back_project(faces, crops) - faces
    coarse = resize(resize(correction, max(COARSE, crops.shape[-1] // COARSE)), faces.shape[-1])
    return faces + coarse, correction - coarse


def split_photo_correction(output: Tensor, photo: Tensor) -> tuple[Tensor, Tensor]:
    """Splits the back-projection of a whole photo, one over-relaxed step, as `split_correction` does that of faces.

    `output` (n, 3, s h, s w), `photo` (n, 3, h, w), RGB in [0, 1] -> both like `output`, not clamped.
    """
    size, large = (photo.shape[2], photo.shape[3]), (output.shape[2], output.shape[3])
    difference = photo - resize(output, size)
    coarse = resize(resize(difference, coarse_size(*size)), size)
    return output + resize(coarse, large), RELAXATION * resize(difference - coarse, large)


def coarse_size(height: int, width: int) -> tuple[int, int]:
    """Computes the size of a photo's coarse part: a pixel for every COARSE x COARSE."""
    return max(COARSE, height // COARSE), max(COARSE, width // COARSE)


def rmse_at_crop_resolution(faces: Tensor, crops: Tensor) -> float:
    """Computes the RMSE, 0..1, between faces (n, 3, s, s) reduced to the crops' resolution, and crops (n, 3, e, e)."""
    return rms(resize(faces, crops.shape[-1]) - crops)
