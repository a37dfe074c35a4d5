"""Reads the header of a JPEG stream: what kind it is, and whether it can hold what it claims."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace

SOS = 0xDA
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15
ALONE = {0x01, *range(0xD0, 0xDA)}  # markers without a length
HUFFMAN_LEAST_BITS = {0xC0: 2, 0xC1: 2, 0xC2: 1}  # for a block: a code for DC and, but in progressive streams, one for AC
ARITHMETIC = {*range(0xC9, 0xD0)}
JPEG_LS = 0xF7
# By their frame headers, those that libjpeg decodes at 8 bits per sample, and what the others are.
DECODED = {0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA}
OTHER_FRAMES = {JPEG_LS: "a JPEG-LS photo", 0xCB: "a lossless arithmetic-coded JPEG"}


@dataclass(frozen=True)
class JpegFrame:
    """A stream's frame header (SOF): its marker, bits per sample, size, and the sampling factors of each component.

    `data_start`: where the first scan's data begin.
    """

    marker: int
    bits: int
    width: int
    height: int
    sampling: tuple[tuple[int, int], ...]
    data_start: int = 0

    @property
    def arithmetic(self) -> bool:
        """Whether it is arithmetic-coded."""
        return self.marker in ARITHMETIC

    @property
    def least_bits(self) -> int:
        """The fewest bits of Huffman-coded data that its pixels can take; 0 for other kinds of coding."""
        bits = HUFFMAN_LEAST_BITS.get(self.marker, 0) if self.sampling else 0
        if not bits:
            return 0
        across, down = (8 * max(factors) for factors in zip(*self.sampling, strict=True))
        return bits * sum(math.ceil(self.width * h / across) * math.ceil(self.height * v / down) for h, v in self.sampling)


def read_frame(stream: bytes | memoryview) -> JpegFrame | None:
    """Reads the first frame header of a JPEG stream and finds its first scan; None where there is none."""
    place, frame = 0, None
    while place + 4 <= len(stream):
        if stream[place] != 0xFF:  # what decoders pass over, too
            place += 1
            continue
        marker = stream[place + 1]
        if marker in ALONE or marker in (0x00, 0xFF):
            place += 1 if marker == 0xFF else 2
            continue
        size = struct.unpack_from(">H", stream, place + 2)[0]
        if marker in FRAMES | {JPEG_LS} and frame is None:
            frame = parse_frame(marker, bytes(stream[place + 4 : place + 2 + size]))
        place += 2 + size
        if marker == SOS:
            break
    return frame and replace(frame, data_start=place)


def parse_frame(marker: int, header: bytes) -> JpegFrame | None:
    """Parses a frame header; None where it is damaged."""
    if len(header) < 6 or len(header) < 6 + 3 * header[5]:
        return None
    bits, height, width, count = struct.unpack_from(">BHHB", header)
    factors = [divmod(header[7 + 3 * index], 16) for index in range(count)]
    return JpegFrame(marker, bits, width, height, tuple(factors)) if all(h and v for h, v in factors) else None


def check_jpeg(stream: bytes | memoryview, largest: int | None = None) -> JpegFrame | None:
    """Reads a stream's frame. ValueError where it is larger than `largest` pixels, or too short for the pixels it claims."""
    frame = read_frame(stream)
    if frame is None:
        return None
    if largest is not None and frame.width * frame.height > largest + 16 * (frame.width + frame.height):
        raise ValueError(f"a JPEG stream in it is {frame.width}x{frame.height}")
    if 8 * (len(stream) - frame.data_start) < frame.least_bits:
        raise ValueError(f"{len(stream)} bytes cannot hold {frame.width}x{frame.height} pixels")
    return frame


def unsupported_kind(content: bytes) -> str | None:
    """Says what kind of JPEG a file is that laa does not open; None of others, damaged ones among them."""
    frame = read_frame(content)
    if frame is None or (frame.marker in DECODED and frame.bits == 8):
        return None
    if frame.marker in DECODED:
        return f"a JPEG of {frame.bits} bits per sample"
    return OTHER_FRAMES.get(frame.marker, "a hierarchical JPEG")
