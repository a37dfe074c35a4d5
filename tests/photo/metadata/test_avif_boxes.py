"""AVIF's boxes: colours, and hostile files."""

from __future__ import annotations

import struct

from fakes import encode_image
from hypothesis import given
from hypothesis import strategies as st
from metadata_samples import wave_image

from laa_cli.photo.metadata.avif_boxes import left_out_of, read_boxes, read_nclx, with_nclx

AVIF = encode_image(wave_image(), "AVIF")


def box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def test_colours() -> None:
    assert read_nclx(AVIF) == (1, 13)
    assert read_nclx(with_nclx(AVIF, 9, 16)) == (9, 16)
    assert len(with_nclx(AVIF, 9, 16)) == len(AVIF)
    assert read_nclx(b"") is None


def test_what_is_left_out() -> None:
    assert left_out_of(AVIF) == []
    items = box(b"meta", bytes(4) + box(b"iinf", b"tmap") + box(b"iprp", box(b"ipco", box(b"clli", bytes(4)))))
    assert left_out_of(items) == ["gain map", "brightness of the mastering display"]


def test_boxes_in_boxes_are_bounded() -> None:
    nested = b""
    for _ in range(5000):
        nested = box(b"ipco", nested)
    assert len(list(read_boxes(nested))) == 4


def test_large_and_open_sizes() -> None:
    large = struct.pack(">I4sQ", 1, b"mdat", 20) + bytes(4)
    assert [found.kind for found in read_boxes(large + struct.pack(">I4s", 0, b"free") + b"rest")] == [b"mdat", b"free"]


@given(st.binary(max_size=200), st.integers(0, 400))
def test_any_bytes(noise: bytes, cut: int) -> None:
    content = AVIF[:cut] + noise
    assert len(with_nclx(content, 1, 1)) == len(content)
    assert all(0 <= found.start <= found.end <= len(content) for found in read_boxes(content))
