"""IPTC-IIM: the captions, keywords and credits of press and archives, as a stream of datasets."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

MARKER = 0x1C
PREVIEWS = {200, 201, 202}  # datasets of the application record (2)
RECORD_LABELS = {3: "IPTC picture parameters", 7: "IPTC object data", 8: "IPTC object data", 9: "IPTC object data"}


@dataclass(frozen=True)
class DataSet:
    """A dataset: its record, its number there, and where it lies."""

    record: int
    number: int
    start: int
    end: int


def clean_iptc(block: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Keeps the datasets that hold of an enlarged photo, byte for byte: the bytes, and the names of what was left out."""
    found = list(read_datasets(block))
    left_out = dict.fromkeys(name for dataset in found if (name := label(dataset)))
    if len(block[found[-1].end if found else 0 :].strip(b"\0")):
        left_out["damaged IPTC"] = None
    kept = b"".join(block[dataset.start : dataset.end] for dataset in found if not label(dataset))
    return kept, tuple(left_out)


def label(dataset: DataSet) -> str | None:
    """Returns what a dataset that is left out is called."""
    if dataset.record == 2 and dataset.number in PREVIEWS:
        return "thumbnail"
    return RECORD_LABELS.get(dataset.record)


def read_datasets(block: bytes) -> Iterator[DataSet]:
    """Yields the intact datasets at the beginning of a block."""
    place = 0
    while place + 5 <= len(block) and block[place] == MARKER:
        record, number, size = struct.unpack_from(">BBH", block, place + 1)
        start = place + 5
        if size & 0x8000:  # a long dataset: the size of its size
            start += size & 0x7FFF
            size = int.from_bytes(block[place + 5 : start])
        if start + size > len(block) or start - place > 9:
            return
        yield DataSet(record, number, place, start + size)
        place = start + size


def from_tiff_longs(payload: bytes) -> bytes:
    """Returns IPTC that a TIFF holds as 32-bit numbers, whose bytes some writers turned around."""
    if payload[:1] == bytes([MARKER]) or len(payload) % 4:
        return payload
    swapped = np.frombuffer(payload, "<u4").byteswap().tobytes()
    return swapped if swapped[:1] == bytes([MARKER]) else payload
