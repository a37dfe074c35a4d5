"""Mutations of files: of bits, bytes and fields anywhere, and of the parts that a format is made of."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Literal

from . import png

FIELDS = (
    *(0, 1, 2, 3, 7, 8, 15, 16, 127, 128, 255, 256, 1000, 30000, 32767, 32768, 65499, 65535, 65536, 1 << 20, 1 << 24),
    *((1 << 31) - 1, 1 << 31, (1 << 32) - 1, (1 << 32) - 2, 1 << 32, (1 << 63) - 1, (1 << 64) - 1),
)  # what lengths, counts, sizes and offsets lie about
Field = tuple[int, Literal["big", "little"], int]  # a number in a file: place, byte order, bytes
SIZE_FIELDS: dict[bytes, list[Field]] = {
    png.SIGNATURE: [(16, "big", 4), (20, "big", 4)],
    b"GIF": [(6, "little", 2), (8, "little", 2)],
    b"BM": [(18, "little", 4), (22, "little", 4)],
}
HEADER_BYTES = 256
MAX_BYTES = 1 << 18  # a mutant that has grown beyond is cut


def mutate(content: bytes, other: bytes, random: Random) -> bytes:
    """Mutates a file one to four times, seldom more often. `other`: a file to splice with."""
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4, 12))):
        content = random.choice(MUTATIONS)(content, other, random)[:MAX_BYTES]
    if content.startswith(png.SIGNATURE) and random.random() < 0.7:
        content = png.repair(content)
    return content


# Of bytes


def place(content: bytes, random: Random) -> int:
    """Chooses a place in a file: half of them in its header."""
    return random.randrange(max(1, min(len(content), HEADER_BYTES) if random.random() < 0.5 else len(content)))


def span(content: bytes, random: Random) -> tuple[int, int]:
    """Chooses a piece of a file, most of them short."""
    start = place(content, random)
    return start, min(len(content), start + random.choice((1, 2, 4, 16, 64, 512, len(content) // 2)))


def flip_bits(content: bytes, other: bytes, random: Random) -> bytes:
    """Flips one to eight bits."""
    mutated = bytearray(content)
    for _ in range(random.randint(1, 8) if mutated else 0):
        mutated[place(content, random)] ^= 1 << random.randrange(8)
    return bytes(mutated)


def overwrite_bytes(content: bytes, other: bytes, random: Random) -> bytes:
    """Overwrites a piece with noise, zeros or ones."""
    start, end = span(content, random)
    filler = random.choice((bytes(end - start), b"\xff" * (end - start), random.randbytes(end - start)))
    return content[:start] + filler + content[end:]


def lie_in_field(content: bytes, other: bytes, random: Random) -> bytes:
    """Writes a length, count or size that is not true."""
    start, value = place(content, random), random.choice(FIELDS)
    width = random.choice((1, 2, 2, 4, 4, 8))
    field = (value & ((1 << 8 * width) - 1)).to_bytes(width, random.choice(("big", "little")))
    return content[:start] + field + content[start + width :]


def cut_end(content: bytes, other: bytes, random: Random) -> bytes:
    """Cuts the end off; seldom all but nothing."""
    return content[: random.choice((place(content, random), len(content) - random.randint(1, 64), random.randint(0, 32)))]


def delete_span(content: bytes, other: bytes, random: Random) -> bytes:
    """Takes a piece out."""
    start, end = span(content, random)
    return content[:start] + content[end:]


def insert_bytes(content: bytes, other: bytes, random: Random) -> bytes:
    """Puts noise or a copy of a piece in."""
    start, end = span(content, random)
    piece = content[start:end] if random.random() < 0.5 else random.randbytes(random.choice((1, 2, 4, 100, 5000)))
    at = place(content, random)
    return content[:at] + piece + content[at:]


def swap_spans(content: bytes, other: bytes, random: Random) -> bytes:
    """Swaps two neighbouring pieces."""
    first, middle = span(content, random)
    last = min(len(content), middle + middle - first)
    return content[:first] + content[middle:last] + content[first:middle] + content[last:]


def splice(content: bytes, other: bytes, random: Random) -> bytes:
    """Goes on with another file."""
    return content[: place(content, random)] + other[place(other, random) :]


def append_other(content: bytes, other: bytes, random: Random) -> bytes:
    """Hangs on another file, or zeros."""
    return content + random.choice((other, bytes(1000)))


# Of parts


def claim_size(content: bytes, other: bytes, random: Random) -> bytes:
    """Has a header claim another size in pixels."""
    for start, order, width in size_fields(content):
        value = random.choice((0, 1, 40, 3000, 9000, 16383, 30000, 65500, (1 << 8 * width) - 1))
        content = content[:start] + (value & ((1 << 8 * width) - 1)).to_bytes(width, order) + content[start + width :]
        if random.random() < 0.3:
            break  # the other side stays true
    return content


def size_fields(content: bytes) -> list[Field]:
    """Finds where a photo's header says its sides."""
    for magic, fields in SIZE_FIELDS.items():
        if content.startswith(magic):
            return fields
    if content.startswith(b"\xff\xd8"):
        frame = re.search(rb"\xff[\xc0-\xc2\xc9]\0.\x08", content, re.DOTALL)
        return [(frame.end(), "big", 2), (frame.end() + 2, "big", 2)] if frame else []
    if content[4:8] == b"ftyp":
        at = content.find(b"ispe")
        return [(at + 8, "big", 4), (at + 12, "big", 4)] if at > 0 else []
    if content.startswith((b"II*\0", b"MM\0*")):
        order: Literal["big", "little"] = "little" if content[:2] == b"II" else "big"
        tags = {tag.to_bytes(2, order) for tag in (256, 257)}
        entries = [end for end in tiff_parts(content) if content[end : end + 2] in tags]
        return [(end + 8, order, 4 if content[end + 2 : end + 4] == (4).to_bytes(2, order) else 2) for end in entries]
    return [(24, "little", 3), (27, "little", 3)] if content[12:16] == b"VP8X" else []


def shuffle_parts(content: bytes, other: bytes, random: Random) -> bytes:
    """Drops, repeats, swaps, moves or lengthens parts of the format, or takes one of the other file's."""
    head, parts = split(content)
    if not parts:
        return flip_bits(content, other, random)
    first, second = random.randrange(len(parts)), random.randrange(len(parts))
    what = random.choice(("drop", "repeat", "swap", "flood", "shuffle", "foreign", "mutate"))
    if what == "drop":
        del parts[first]
    elif what == "repeat":
        parts.insert(second, parts[first])
    elif what == "swap":
        parts[first], parts[second] = parts[second], parts[first]
    elif what == "flood":
        parts[first:first] = [parts[first]] * min(300, MAX_BYTES // max(1, len(parts[first])))
    elif what == "shuffle":
        random.shuffle(parts)
    elif what == "foreign":
        parts.insert(first, random.choice(split(other)[1] or [other[:50]]))
    else:
        parts[first] = random.choice((flip_bits, overwrite_bytes, lie_in_field))(parts[first], other, random)
    return head + b"".join(parts)


def split(content: bytes) -> tuple[bytes, list[bytes]]:
    """Splits a file into its head and its parts: chunks, segments, boxes, or the entries of a TIFF's directory."""
    for magic, splitter in SPLITTERS.items():
        if content[4:8] == b"ftyp" if magic == b"ftyp" else content.startswith(magic):
            ends = [end for end in splitter(content) if end <= len(content)]
            bounds = [*ends, len(content)] if ends and ends[-1] < len(content) else ends
            return content[: bounds[0] if bounds else 0], [content[a:b] for a, b in pairwise(bounds) if a < b]
    return content[:32], [content[at : at + 64] for at in range(32, len(content), 64)]


def step_through(content: bytes, start: int, length_at: Callable[[int], int]) -> list[int]:
    """Walks from part to part. `length_at`: the length of the one that begins there."""
    ends = [start]
    while 0 <= ends[-1] < len(content) and len(ends) < 1000:
        try:
            length = length_at(ends[-1])
        except struct.error:
            break
        if length <= 0:
            break
        ends.append(ends[-1] + length)
    return ends


def png_parts(content: bytes) -> list[int]:
    """The ends of a PNG's chunks."""
    return step_through(content, 8, lambda at: 12 + struct.unpack_from(">I", content, at)[0])


def jpeg_parts(content: bytes) -> list[int]:
    """The ends of a JPEG's segments, up to the first scan."""
    return step_through(content, 2, lambda at: 2 + struct.unpack_from(">H", content, at + 2)[0])


def riff_parts(content: bytes) -> list[int]:
    """The ends of a WebP's chunks."""
    return step_through(content, 12, lambda at: 8 + (struct.unpack_from("<I", content, at + 4)[0] + 1) // 2 * 2)


def box_parts(content: bytes) -> list[int]:
    """The ends of an AVIF's boxes; into `meta` it is stepped."""
    return step_through(
        content, 0, lambda at: 12 if content[at + 4 : at + 8] == b"meta" else struct.unpack_from(">I", content, at)[0]
    )


def tiff_parts(content: bytes) -> list[int]:
    """The ends of the entries of a TIFF's first directory."""
    order = "<" if content[:2] == b"II" else ">"
    try:
        start = struct.unpack_from(order + "I", content, 4)[0]
        count = struct.unpack_from(order + "H", content, start)[0]
    except struct.error:
        return []
    return [start + 2 + 12 * number for number in range(min(count, 200) + 1)]


SPLITTERS: dict[bytes, Callable[[bytes], list[int]]] = {
    png.SIGNATURE: png_parts,
    b"\xff\xd8": jpeg_parts,
    b"RIFF": riff_parts,
    b"ftyp": box_parts,
    b"II*\0": tiff_parts,
    b"MM\0*": tiff_parts,
}
MUTATIONS = (
    *(flip_bits, overwrite_bytes, lie_in_field, lie_in_field, cut_end, delete_span, insert_bytes, swap_spans, splice),
    *(claim_size, claim_size, append_other, shuffle_parts, shuffle_parts, shuffle_parts),
)
