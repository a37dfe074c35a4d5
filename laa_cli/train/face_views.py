"""Random views of faces, as the inexact boxes of a detector show them: crops, flips, affine transforms.

Numbers are drawn on the CPU, so that they are the same on any device, which is never waited for.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from models.protocol import HR_SIZE

from ..utils.tensor_ops import gather_pixels, rgb_to_grayscale, send

MAX_SHIFT_PX = 4  # at 128 px; a detector's box is rarely further off than this
MAX_ROLL_DEG = 12.0  # what is left of a head's roll once its crop is upright, or too small to be worth turning
ZOOM = (0.88, 1.1)  # side of the view over the protocol's crop: boxes of small faces come out up to 15 % short
TURNED_SHARE = 0.5  # turning blurs a little, so half of the views stay sharp
GREY_SHARE = 0.08


def random_views(faces: Tensor, random: torch.Generator) -> Tensor:
    """Makes the truths of training samples: faces (n, 3, s, s) uint8 RGB -> (n, 3, 128, 128) in [0, 1], some of them grey."""
    plain = random_crops(faces, random).float().div(255)
    turned = random_affine(faces.float().div(255), random)
    views = random_flips(torch.where(choose(faces, TURNED_SHARE, random), turned, plain), random)
    return torch.where(choose(faces, GREY_SHARE, random), rgb_to_grayscale(views), views)


def choose(faces: Tensor, share: float, random: torch.Generator) -> Tensor:
    """Chooses each of n faces with a probability: (n, 1, 1, 1) bool, on their device."""
    return send(torch.rand(len(faces), generator=random) < share, faces.device)[:, None, None, None]


def random_crops(faces: Tensor, random: torch.Generator) -> Tensor:
    """Crops faces (n, 3, s, s) to (n, 3, 128, 128) around the middle, shifted by whole pixels as far as there is room."""
    middle = (faces.shape[-1] - HR_SIZE) // 2
    reach = min(MAX_SHIFT_PX, middle)
    corners = send(middle + torch.randint(-reach, reach + 1, (len(faces), 2), generator=random), faces.device)
    rows, columns = corners[:, :, None].add(torch.arange(HR_SIZE, device=faces.device)).unbind(1)
    return gather_pixels(faces, rows, columns)


def random_flips(faces: Tensor, random: torch.Generator) -> Tensor:
    """Flips faces (n, 3, h, w) horizontally, each with probability one half."""
    return torch.where(choose(faces, 0.5, random), faces.flip(3), faces)


def random_affine(faces: Tensor, random: torch.Generator) -> Tensor:
    """Shifts, rotates and zooms faces (n, 3, s, s) in [0, 1], as inexact boxes show them: (n, 3, 128, 128) in [0, 1]."""
    count, side = len(faces), faces.shape[-1]
    angle = torch.deg2rad(MAX_ROLL_DEG * (2 * torch.rand(count, generator=random) - 1))
    zoom = ZOOM[0] + (ZOOM[1] - ZOOM[0]) * torch.rand(count, generator=random)
    shift = MAX_SHIFT_PX * (2 * torch.rand(count, 2, 1, generator=random) - 1)
    turn = torch.stack((angle.cos(), -angle.sin(), angle.sin(), angle.cos()), 1).view(count, 2, 2)
    matrix = torch.cat((turn * (zoom * HR_SIZE / side)[:, None, None], shift * 2 / side), 2)
    grid = F.affine_grid(send(matrix, faces.device), [count, 3, HR_SIZE, HR_SIZE], align_corners=False)
    return F.grid_sample(faces, grid, mode="bicubic", padding_mode="reflection", align_corners=False).clamp(0, 1)
