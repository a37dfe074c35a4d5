"""Doubt: how far a restored face may be from the truth, pixel by pixel.

The network sees the crop again, moved by a fraction of a photo pixel, mirrored, and turned a little; each answer is
back-projected, and moved, mirrored and turned back. Where the answers differ, the network drew what the photo does not tell.
A quantile regression on that spread, whose coefficients training finds and the weights' card carries, makes it an error bar.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from models.protocol import HR_SIZE

from ..interfaces import FaceCrop, RestoredFace
from .back_projection import back_project_partially
from .doubt_features import LEVELS, compute_features, compute_half_width
from .restorer import CALL_SIZE, NetworkRestorer, run_in_batches


@dataclass(frozen=True)
class Perturbation:
    """How a crop is changed: moved by photo pixels, turned, then mirrored."""

    right_px: float = 0.0
    down_px: float = 0.0
    turned_deg: float = 0.0
    mirrored: bool = False

    def matrix(self, side: int) -> Tensor:
        """Builds the affine matrix (3, 3) from places in the changed crop, of `side` px, to the crop's, both from -1 to 1."""
        angle, flip = math.radians(self.turned_deg), -1.0 if self.mirrored else 1.0
        cosine, sine = math.cos(angle), math.sin(angle)
        shift = (2 * self.right_px / side, 2 * self.down_px / side)
        return torch.tensor([[flip * cosine, -sine, shift[0]], [flip * sine, cosine, shift[1]], [0, 0, 1]])


# Four say as much as nine: see docs/laa-photo.md.
PERTURBATIONS = (
    Perturbation(-0.5, 0.5),
    Perturbation(0.5, -0.5, mirrored=True),
    Perturbation(turned_deg=2.0, mirrored=True),
    Perturbation(turned_deg=-2.0, mirrored=True),
)

# Boxes of the aligned face: left, top, right, bottom in px of 128. On 100 training faces the detector has the eyes at
# (47, 53) and (82, 52), the corners of the mouth at (48, 89) and (80, 89), with standard deviations of 5 px across and 3 down.
REGIONS = {"eyes": (30, 43, 98, 63), "mouth": (40, 80, 88, 101)}
REST = "rest"


@dataclass(frozen=True)
class Doubt:
    """Error bars of a restored face.

    `half_width`: (128, 128) float32 in [0, 1]; of the levels of R, G and B in all pixels of all faces, the truth lies within
    plus or minus this in 90 % of cases.
    """

    half_width: Tensor


def summarize_doubt(doubt: Doubt) -> dict[str, float]:
    """Computes the mean half width in levels of 255 of the eyes, of the mouth, and of the rest of the crop."""
    levels = LEVELS * doubt.half_width
    rest = torch.ones_like(levels, dtype=torch.bool)
    summary: dict[str, float] = {}
    for name, (left, top, right, bottom) in REGIONS.items():
        summary[name] = levels[top:bottom, left:right].mean().item()
        rest[top:bottom, left:right] = False
    return summary | {REST: levels[rest].mean().item()}


def estimate_doubt(restorer: NetworkRestorer, crop: FaceCrop, restored: RestoredFace) -> Doubt | None:
    """Estimates the error bars of a face that was restored from a crop; None with weights that have no coefficients for it."""
    if not restorer.doubt_coefficients:
        return None
    return Doubt(compute_half_width(measure_features(restorer, crop, restored), restorer.doubt_coefficients))


@torch.inference_mode()
def measure_features(restorer: NetworkRestorer, crop: FaceCrop, restored: RestoredFace) -> Tensor:
    """Measures the features of the error bars of a face that was restored from a crop, (FEATURES, 128, 128)."""
    square = mean_square_spread(*restore_perturbed(restorer, crop, restored), restored.face)
    return compute_features(square, restored.face, crop.image.shape[-1], restored.fidelity)


def restore_perturbed(restorer: NetworkRestorer, crop: FaceCrop, restored: RestoredFace) -> tuple[Tensor, Tensor]:
    """Restores perturbed copies of a crop, by the fidelity of the face itself, and brings them back into its place.

    Returns the faces (n, 3, 128, 128) RGB in [0, 1], and where each has seen the crop, (n, 1, 128, 128), 0 or 1.
    """
    matrices = torch.stack([perturbation.matrix(crop.image.shape[-1]) for perturbation in PERTURBATIONS])
    crops = warp(crop.image.expand(len(matrices), -1, -1, -1), matrices)
    inputs = torch.cat([restorer.prepare_input(one) for one in crops])
    outputs = run_in_batches(restorer.run_batch, inputs, CALL_SIZE)
    faces = back_project_partially(outputs, crops, restored.fidelity)
    inverse = matrices.inverse()
    return warp(faces, inverse), sees(inverse)


def warp(images: Tensor, matrices: Tensor) -> Tensor:
    """Applies affine warps: (n, 3, h, h) in [0, 1], sampled bicubically at the places of (n, 3, 3), reflected at the border."""
    grid = F.affine_grid(matrices[:, :2], list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bicubic", padding_mode="reflection", align_corners=False).clamp(0, 1)


def sees(matrices: Tensor) -> Tensor:
    """Tells of each pixel of a face whether its place by matrices (n, 3, 3) is in the picture: (n, 1, 128, 128), 0 or 1."""
    grid = F.affine_grid(matrices[:, :2], [len(matrices), 1, HR_SIZE, HR_SIZE], align_corners=False)
    return (grid.abs() <= 1).all(-1, keepdim=True).permute(0, 3, 1, 2).float()


def mean_square_spread(faces: Tensor, seen: Tensor, face: Tensor) -> Tensor:
    """Computes how far faces (n, 3, 128, 128) are from a face (3, 128, 128): the mean square of those that have seen the pixel.

    `seen`: (n, 1, 128, 128), 0 or 1. Returns (128, 128), also over R, G and B.
    """
    square = (faces - face).square().mean(1, keepdim=True)
    return ((square * seen).sum(0) / seen.sum(0).clamp_min(1))[0]
