"""Boxes of MTCNN's candidates as tensors (n, 4), xyxy in photo pixels: squares, overlaps, and the rolls of their landmarks."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor


def box_sides(squares: Tensor) -> Tensor:
    """Returns the sides of squares (n, 4): (n, 1)."""
    return squares[:, 2:3] - squares[:, :1]


def longer_sides(boxes: Tensor) -> Tensor:
    """Returns the longer sides of boxes (n, 4): (n,)."""
    return (boxes[:, 2:] - boxes[:, :2]).amax(1)


def to_squares(boxes: Tensor) -> Tensor:
    """Squares boxes (n, 4): same centres, their longer sides."""
    centres, half = (boxes[:, :2] + boxes[:, 2:]) / 2, longer_sides(boxes)[:, None] / 2
    return torch.cat([centres - half, centres + half], 1)


def suppress_overlaps(boxes: Tensor, scores: Tensor, max_iou: float) -> Tensor:
    """Applies non-maximum suppression (NMS) to boxes (n, 4) with scores (n,) above 0: the indices to keep, by falling score."""
    corners = boxes.double().numpy()
    sides = corners[:, 2:] - corners[:, :2]
    kept = cv2.dnn.NMSBoxes(np.hstack([corners[:, :2], sides]), scores.numpy(), 0.0, max_iou)  # type: ignore[arg-type]
    return torch.from_numpy(np.asarray(kept, np.int64).ravel())


def estimate_rolls_deg(points: Tensor, max_upright_deg: float) -> Tensor:
    """Estimates heads' rolls (n,), in degrees clockwise, from ONet's landmarks (n, 10); zero up to `max_upright_deg`.

    The batched form of `face.estimate_roll_deg`, in float32.
    """
    left, right, _, *mouth = points.view(-1, 2, 5).unbind(2)
    across, down = right - left, (mouth[0] + mouth[1] - left - right) / 2
    rolls = (torch.atan2(across[:, 1], across[:, 0]) + torch.atan2(-down[:, 0], down[:, 1])).rad2deg() / 2
    return torch.where(rolls.abs() < max_upright_deg, 0, rolls)
