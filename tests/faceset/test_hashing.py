"""Perceptual hashes: copies of a face are recognized, other faces are not."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import torch
from fakes import photo_of_noise
from PIL import Image

from laa_cli.faceset.hashing import find_duplicates, perceptual_hashes


def test_copies_are_alike_and_others_are_not() -> None:
    originals = [photo_of_noise(seed, 128) for seed in range(30)]
    copies = []
    for image in originals:
        file = io.BytesIO()
        image.resize((80, 80), Image.Resampling.BICUBIC).resize((128, 128)).save(file, "JPEG", quality=60)
        copies.append(Image.open(file))
    first, second = (
        perceptual_hashes(torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in images]))
        for images in (originals, copies)
    )
    assert find_duplicates(second, first) == [(place, place) for place in range(30)]
    assert all(one < other for one, other in pairwise(find_duplicates(first, first)))
