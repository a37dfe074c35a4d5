"""How sure it is that a candidate is a face: one logistic regression on what MTCNN's networks say of it, each time they look.

No single answer tells small faces from texture: where ONet's second look alone lets one false face into 20 photos, it finds
80, 92, 94 and 97 % of faces 12, 16, 20 and 24 px across the crop; all of them together find 86, 96, 97 and 98 %.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

CLAMP = 1e-4  # a probability counts at most as this near to 0 or 1

# Fitted on 106 faces of 74 photos, each reduced to five sizes from 12 to 32 px across the crop and mirrored, on 836 faces of
# the training set pasted into photos, half of them with JPEG's faults, and on 3,430 candidates in 509 photos without faces.
# The sum is 0 where these let one false face into 20 photos; fitted on one half of the photos, it finds as many in the other.
FIRST_RNET, FIRST_ONET = 0.67, 0.19
SECOND_RNET, SECOND_ONET = 0.60, 0.91
LOG_SIDE = -2.88  # the larger a face, the surer the networks have to be ...
SIDES_PX = (8.0, 24.0)  # ... within these sides of its box: others were not fitted
BIAS = 1.88


class Evidence(NamedTuple):
    """Probabilities (n,) that candidates are faces: RNet's and ONet's at first, and on the refined, upright squares."""

    first_rnet: Tensor
    first_onet: Tensor
    second_rnet: Tensor
    second_onet: Tensor


def face_logits(evidence: Evidence, sides_px: Tensor) -> Tensor:
    """Computes the logits (n,) of candidates whose boxes have these longer sides (n,), in photo pixels."""
    coefficients = torch.tensor([FIRST_RNET, FIRST_ONET, SECOND_RNET, SECOND_ONET])
    answers = torch.stack([probability.logit(CLAMP) for probability in evidence], 1)
    return answers @ coefficients + LOG_SIDE * sides_px.clamp(*SIDES_PX).log() + BIAS


def mean_probability(one: Tensor, other: Tensor) -> Tensor:
    """Averages the logits of two probabilities (n,), and returns the probability (n,)."""
    return ((one.logit(CLAMP) + other.logit(CLAMP)) / 2).sigmoid()
