"""Figures of 1:1 verification: accuracy, area under the ROC curve (AUC), true accepts at 1 % false accepts.

Scores are higher where two faces are more alike. `weights`: (b, n), how often each pair counts in each of b resamples; genuine
and impostor pair i, which have the same probe, count alike. Ones, (1, n), for the figure itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .evaluate import CONFIDENCE_LEVEL, RESAMPLES, MeanInterval

FALSE_ACCEPTS_PER_CENT = 1

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Scores of (n,) genuine and (n,) impostor pairs."""

    genuine: Floats
    impostor: Floats


def accuracy(scores: Scores, folds: NDArray[np.int64], weights: Floats) -> Floats:
    """Computes the share of pairs told right, each fold's by the threshold that is best on the other folds: (b,)."""
    right = np.empty(len(folds))
    for fold in np.unique(folds):
        inside = folds == fold
        threshold = best_threshold(Scores(scores.genuine[~inside], scores.impostor[~inside]))
        right[inside] = ((scores.genuine[inside] >= threshold) * 0.5) + ((scores.impostor[inside] < threshold) * 0.5)
    return weights @ right / weights.sum(1)


def best_threshold(scores: Scores) -> float:
    """Finds the threshold, half-way between two scores, from which on most pairs are told right, or the least of such."""
    values = np.unique(np.concatenate([scores.genuine, scores.impostor]))
    candidates = np.concatenate([values[:1] - 1, (values[1:] + values[:-1]) / 2, values[-1:] + 1])
    accepted = len(scores.genuine) - np.searchsorted(np.sort(scores.genuine), candidates)
    rejected = np.searchsorted(np.sort(scores.impostor), candidates)
    return float(candidates[np.argmax(accepted + rejected)])


def area_under_curve(scores: Scores, weights: Floats) -> Floats:
    """Computes how likely a genuine pair scores above an impostor pair, ties by half: (b,)."""
    order = np.argsort(scores.impostor, kind="stable")
    below = np.concatenate([np.zeros((len(weights), 1)), weights[:, order].cumsum(1)], axis=1)
    left = np.searchsorted(scores.impostor[order], scores.genuine, "left")
    right = np.searchsorted(scores.impostor[order], scores.genuine, "right")
    return (weights * (below[:, left] + below[:, right]) / 2).sum(1) / weights.sum(1) ** 2


def true_accept_rate(scores: Scores, weights: Floats) -> Floats:
    """Computes the share of genuine pairs above the lowest threshold with 1 % false accepts or fewer: (b,)."""
    order = np.argsort(-scores.impostor, kind="stable")
    false_accepts = weights[:, order].cumsum(1)
    allowed = weights.sum(1, keepdims=True) * FALSE_ACCEPTS_PER_CENT / 100
    first_refused = (false_accepts > allowed + 1e-9).argmax(1)  # by falling score
    thresholds = scores.impostor[order][first_refused]
    return (weights * (scores.genuine > thresholds[:, None])).sum(1) / weights.sum(1)


def person_weights(persons: list[str], resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """Draws persons with replacement, as many as there are: how often each of (n,) pairs counts, (b, n)."""
    _, places = np.unique(persons, return_inverse=True)
    count = int(places.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    return drawn[:, places].astype(np.float64)


def interval(value: Floats, resampled: Floats) -> MeanInterval:
    """Returns a figure (1,) with the percentiles of its resamples (b,)."""
    low, high = np.quantile(resampled, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2])
    return MeanInterval(float(value[0]), float(low), float(high))
