"""Samples of the background's task: patches of photos, half of them clean, half with photos' faults."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.protocol import resize, to_8_bits

from .corruptions import Faults, add_faults, compress_jpeg, uniform
from .photo_data import PATCH_PX, PhotoSet, TrainingPhoto

CLEAN_SHARE = 0.5
ENLARGED_SHARE = 0.08  # of the samples show a photo that was enlarged before
ENLARGED = (1.5, 3.0)  # times
PHOTO_FAULTS = Faults(5, (50, 95))
SEEDS = 1 << 40  # of the network's random draws


@dataclass(frozen=True)
class PhotoSamples:
    """A training batch: patches `lr` (n, 3, p, p) and `truth` (n, 3, s p, s p), RGB in [0, 1].

    `seeds`: (n,) int64, of the network's own random draws for each of them.
    """

    truth: Tensor
    lr: Tensor
    seeds: Tensor

    def network_inputs(self) -> tuple[Tensor, Tensor]:
        """Returns the patches and their seeds."""
        return self.lr, self.seeds

    def shard(self, rank: int, world_size: int) -> PhotoSamples:
        """Takes the slice of the batch that belongs to one of `world_size` processes or threads."""
        count = len(self.truth) // world_size
        part = slice(rank * count, (rank + 1) * count)
        return PhotoSamples(self.truth[part], self.lr[part], self.seeds[part])


def make_photo_samples(items: PhotoSet, side: int, random: torch.Generator) -> PhotoSamples:
    """Makes a sample of each item, `side` px at low resolution."""
    pairs = [random_patch(items.photos[place], side, random) for place in items.places]
    lr = torch.stack([degrade(lr, random) for lr, _ in pairs])
    seeds = torch.randint(SEEDS, (len(pairs),), generator=random)
    return PhotoSamples(torch.stack([truth for _, truth in pairs]), lr, seeds)


def random_patch(photo: TrainingPhoto, side: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cuts a patch from anywhere in a photo, flipped and transposed by chance: (3, side, side) and its truth, in [0, 1]."""
    height, width = photo.lr.shape[1:]
    top, left = (int(torch.randint(room + 1, (), generator=random)) for room in (height - side, width - side))
    flips = [dim for dim in (1, 2) if uniform(random, 0, 1) < 0.5]
    transposed = uniform(random, 0, 1) < 0.5
    lr, truth = (patch.flip(flips).float().div(255) for patch in photo.cut(top, left, side))
    return (lr.mT, truth.mT) if transposed else (lr, truth)


def middle_patch(photo: TrainingPhoto) -> tuple[Tensor, Tensor]:
    """Cuts a patch of PATCH_PX from the middle of a photo, and its truth, in [0, 1]."""
    top, left = ((length - PATCH_PX) // 2 for length in photo.lr.shape[1:])
    lr, truth = (patch.float().div(255) for patch in photo.cut(top, left, PATCH_PX))
    return lr, truth


def degrade(lr: Tensor, random: torch.Generator) -> Tensor:
    """Leaves a patch (3, p, p) in [0, 1] clean, or makes it one of a photo with faults or of one that was enlarged before."""
    chance = uniform(random, 0, 1)
    if chance < CLEAN_SHARE:
        return lr
    if chance >= CLEAN_SHARE + ENLARGED_SHARE:
        return add_faults(lr, PHOTO_FAULTS, random)
    enlarged = enlarge_before(lr, uniform(random, *ENLARGED))
    return compress_jpeg(enlarged, PHOTO_FAULTS.jpeg_quality, random) if uniform(random, 0, 1) < 0.5 else enlarged


def enlarge_before(lr: Tensor, times: float) -> Tensor:
    """Reduces a patch (3, p, p) further and enlarges it back, as of a photo that was enlarged before."""
    side = lr.shape[-1]
    small = to_8_bits(resize(lr[None], round(side / times)))
    return to_8_bits(resize(small, side))[0]
