"""The kinds of cases and how often each comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .case import Case
from .damaged_weights import resume_training, train_from_weights, upscale_with_weights
from .hostile_archives import archives
from .hostile_manifests import manifests
from .hostile_names import all_names
from .hostile_trees import trees
from .intact_photos import photos, stripped_photos, tiffs
from .kills import killed_batch, killed_upscale
from .mutated_photos import mutated_photos


class Kind(NamedTuple):
    """What a case of this kind does, and its share among the others."""

    play: Callable[[Case], None]
    weight: float


KINDS = {
    "mutated photos": Kind(mutated_photos, 40),
    "intact TIFFs": Kind(tiffs, 8),
    "intact photos": Kind(photos, 6),
    "stripped photos": Kind(stripped_photos, 2),
    "weights, upscale": Kind(upscale_with_weights, 8),
    "weights, train": Kind(train_from_weights, 3),
    "states": Kind(resume_training, 3),
    "manifests": Kind(manifests, 6),
    "archives": Kind(archives, 5),
    "names": Kind(all_names, 7),
    "trees": Kind(trees, 8),
    "killed batch": Kind(killed_batch, 2),
    "killed upscale": Kind(killed_upscale, 2),
}
