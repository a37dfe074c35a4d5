"""AVIF's boxes (ISO base media file format): the colour description without a profile (nclx), and what is left out."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

CONTAINERS = {b"iprp": 0, b"ipco": 0, b"meta": 4}  # boxes of boxes, by the bytes before the first one
DEPTH = 3  # of boxes in boxes: ipco is in iprp is in meta


@dataclass(frozen=True)
class Box:
    """A box: its type, and where its content begins and ends."""

    kind: bytes
    start: int
    end: int


def read_boxes(content: bytes, start: int = 0, end: int | None = None, depth: int = DEPTH) -> Iterator[Box]:
    """Yields the intact boxes between two places, each before those inside it."""
    place, stop = start, len(content) if end is None else end
    while place + 8 <= stop:
        size, kind = struct.unpack_from(">I4s", content, place)
        head = 8
        if size == 1 and place + 16 <= stop:
            size, head = struct.unpack_from(">Q", content, place + 8)[0], 16
        box = Box(kind, place + head, stop if size == 0 else place + size)
        if box.end > stop or box.end < box.start:
            return
        yield box
        if kind in CONTAINERS and depth:
            yield from read_boxes(content, box.start + CONTAINERS[kind], box.end, depth - 1)
        place = box.end


def read_nclx(content: bytes) -> tuple[int, int] | None:
    """Reads the colour primaries and the transfer function, by the numbers of H.273; None where the file has none."""
    for box in read_boxes(content):
        if box.kind == b"colr" and content[box.start : box.start + 4] == b"nclx" and box.end - box.start >= 11:
            primaries, transfer = struct.unpack_from(">HH", content, box.start + 4)
            return primaries, transfer
    return None


def with_nclx(avif: bytes, primaries: int, transfer: int) -> bytes:
    """Writes other colour primaries and another transfer function into every colour description of an AVIF file."""
    edited = bytearray(avif)
    for box in read_boxes(avif):
        if box.kind == b"colr" and avif[box.start : box.start + 4] == b"nclx":
            struct.pack_into(">HH", edited, box.start + 4, primaries, transfer)
    return bytes(edited)


def left_out_of(content: bytes) -> list[str]:
    """Names what a decoded AVIF file no longer has: a gain map, and the brightness of the screen that it was graded on."""
    boxes = list(read_boxes(content))
    kinds = {box.kind for box in boxes}
    items = b"".join(content[box.start : box.end] for box in boxes if box.kind == b"meta")
    labels = ["gain map"] if b"tmap" in items else []
    return labels + (["brightness of the mastering display"] if kinds & {b"mdcv", b"clli"} else [])
