"""STUB"""

from __future__ import annotations

from collections.abc import Sequence

from ..utils.storage import Storage
from .record_index import RecordIndex


def write_gallery_of(names: Sequence[str], index: RecordIndex, results: Storage) -> str:
    raise NotImplementedError
