"""How sure it is that a candidate is a face: one logistic regression on what all networks say of it, each time they look.

No single answer tells small faces from texture. Where one false face in 20 photos is let in, the face classifier alone finds
87, 91 and 93 % of faces 12, 16 and 20 px across the crop, MTCNN's networks without it 86, 94 and 97 %, all together 90, 98 and
99 %.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

CLAMP = 1e-4  # a probability counts at most as this near to 0 or 1

# Fitted on 106 faces of 74 photos, each reduced to five sizes from 12 to 32 px across the crop and mirrored, and on 9,100
# candidates in 509 photos without faces, each judged by a classifier that was trained without its photo. The sum is 0 where
# these let 25 false faces in; fitted on one half of the photos, it finds as many in the other. A face's size says nothing more.
FIRST_RNET, FIRST_ONET = 0.61, 0.51
SECOND_ONET, CLASSIFIER = 0.77, 1.03
BIAS = -3.19
# Within which the classifier counts. The least: profiles and covered faces were rare in its training. The most: it decides
# nothing alone. Fitted on one half, neither costs a face of the other.
CLASSIFIER_RANGE = (0.05, 0.99)


class Evidence(NamedTuple):
    """Probabilities (n,) that candidates are faces: RNet's and ONet's at first, ONet's and the face classifier's on the
    refined, upright squares."""

    first_rnet: Tensor
    first_onet: Tensor
    second_onet: Tensor
    classifier: Tensor


def face_logits(evidence: Evidence) -> Tensor:
    """Computes the logits (n,) of candidates."""
    coefficients = torch.tensor([FIRST_RNET, FIRST_ONET, SECOND_ONET, CLASSIFIER])
    *mtcnn, classifier = evidence
    answers = [probability.logit(CLAMP) for probability in (*mtcnn, classifier.clamp(*CLASSIFIER_RANGE))]
    return torch.stack(answers, 1) @ coefficients + BIAS


def mean_probability(one: Tensor, other: Tensor) -> Tensor:
    """Averages the logits of two probabilities (n,), and returns the probability (n,)."""
    return ((one.logit(CLAMP) + other.logit(CLAMP)) / 2).sigmoid()
