"""Of pictures of the same face, taken from copies of one photo, the largest is kept."""

from __future__ import annotations

import numpy as np

from ..fingerprint import alike
from .journal import Kept


def distinct(faces: list[Kept]) -> list[Kept]:
    """The faces without duplicates, in their order; of equally large ones the first is kept."""
    ranked = sorted(range(len(faces)), key=lambda place: (-faces[place].crop.side_px, place))
    texts = b"".join(bytes.fromhex(faces[place].crop.fingerprint) for place in ranked)
    hashes = np.frombuffer(texts, np.uint64).reshape(-1, 4)
    dropped: set[int] = set()
    for rank, better in alike(hashes, hashes):
        if better < rank and better not in dropped:
            dropped.add(rank)
    kept = sorted(place for rank, place in enumerate(ranked) if rank not in dropped)
    return [faces[place] for place in kept]
