"""Finds near-duplicate faces by a perceptual hash: a difference hash (dHash) of 256 bits, compared by Hamming distance.

It recognizes the same picture in another size or coding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.metrics import luma
from models.protocol import HR_SIZE, resize

GRID = 16  # a bit for each of 16 x 16 cells: is it brighter than its left neighbour?
# Hamming distance up to which hashes are of the same picture. Of 200 faces, copies at half size and JPEG quality 40 differed in
# 18 bits at most, 99 % in 13; the nearest of 11,088 other pictures to one of 490 faces in 37. A shift by one pixel makes 15.
MAX_DISTANCE_BITS = 16
HASH_BATCH = 1024  # pictures hashed at once
COMPARE_BATCH = 16  # hashes compared at once with all others

Hashes = NDArray[np.uint64]  # (n, 4): 256 bits for each picture


def perceptual_hashes(faces: Tensor) -> Hashes:
    """Computes a perceptual hash of each face's central 128x128: (n, 3, s, s) uint8 RGB, s >= 128 -> (n, 4) uint64."""
    margin = (faces.shape[-1] - HR_SIZE) // 2
    center = slice(margin, margin + HR_SIZE)
    batches = [difference_hashes(batch[..., center, center]) for batch in faces.split(HASH_BATCH)]
    return np.concatenate(batches) if batches else np.zeros((0, 4), np.uint64)


def difference_hashes(faces: Tensor) -> Hashes:
    """Computes the difference hash (dHash) of whole pictures on luma. `faces`: (n, 3, h, w) uint8 RGB -> (n, 4) uint64."""
    cells = resize(luma(faces.float().div(255))[:, None], (GRID, GRID + 1))[:, 0]
    bits = (cells[..., 1:] > cells[..., :-1]).flatten(1)
    return np.packbits(bits.numpy(), axis=1).view(np.uint64)


def find_duplicates(hashes: Hashes, others: Hashes) -> list[tuple[int, int]]:
    """Finds the pairs (i, j), in order, where hashes[i] and others[j] are of the same picture. (n, 4) and (m, 4) uint64."""
    pairs = []
    for first in range(0, len(hashes), COMPARE_BATCH):
        batch = hashes[first : first + COMPARE_BATCH, None]
        distances = np.bitwise_count(batch ^ others[None]).sum(2, dtype=np.uint16)
        pairs += [(first + int(row), int(column)) for row, column in np.argwhere(distances <= MAX_DISTANCE_BITS)]
    return pairs
