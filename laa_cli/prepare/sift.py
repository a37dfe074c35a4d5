"""Of pictures of the same face, taken from copies of one photo, the largest is kept."""

from __future__ import annotations

import numpy as np

from ..fingerprint import find_duplicates
from .journal import StoredFace


def drop_duplicates(faces: list[StoredFace]) -> list[StoredFace]:
    """The faces without duplicates, in their order; of equally large ones the first is kept."""
    ranked = sorted(range(len(faces)), key=lambda place: (-faces[place].crop.side_px, place))
    texts = b"".join(bytes.fromhex(faces[place].crop.fingerprint) for place in ranked)
    hashes = np.frombuffer(texts, np.uint64).reshape(-1, 4)
    dropped: set[int] = set()
    for rank, better in find_duplicates(hashes, hashes):
        if better < rank and better not in dropped:
            dropped.add(rank)
    kept = sorted(place for rank, place in enumerate(ranked) if rank not in dropped)
    return [faces[place] for place in kept]
