"""JPEG's segments: what is read, what comes after the picture, and what damage costs."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from fakes import SRGB, decode_photo, encode_image
from hypothesis import given, settings
from hypothesis import strategies as st
from metadata_samples import captioned_jpeg, extended_jpeg, gain_map_jpeg, jpeg, motion_jpeg
from PIL import Image

from laa_cli.photo.metadata.credentials import CREDENTIALS
from laa_cli.photo.metadata.jpeg_segments import (
    APP0,
    APP2,
    APP13,
    APP15,
    COM,
    insert_segments,
    is_metadata,
    picture_end,
    pixels_only,
    read_jpeg,
    read_segments,
)


def test_segments_are_read() -> None:
    found = read_jpeg(captioned_jpeg())
    assert found.dpi == (300, 300)
    assert found.comments == ["Köln, am Rhein".encode()]
    assert found.xmp.startswith(b"<?xpacket")
    assert found.photoshop.startswith(b"8BIM")
    assert found.left_out == []


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        ((APP0 + 11, b"JP\0\1jumbc2pa"), CREDENTIALS),
        ((APP0 + 12, b"Ducky\0\1"), "APP12 Ducky"),
        ((APP15, b"\x1b[2J"), "APP15"),
        ((APP2, b"urn:iso:std:iso:ts:21496:-1\0"), "gain map"),
        ((APP2, b"ICC_PROFILE\0\2\2x"), "damaged colour profile"),
        ((APP2, b"ICC_PROFILE\0"), "damaged colour profile"),
        ((APP0, b"JFXX\0\x10" + b"thumbnail"), "thumbnail"),
        ((APP13, b"Photoshop 3.0\x008BIM\4\4"), "damaged Photoshop resources"),
    ],
)
def test_what_is_left_out_is_named(segment: tuple[int, bytes], name: str) -> None:
    assert decode_photo(jpeg(segment)).metadata.left_out == (name,)


@pytest.mark.parametrize(
    ("trailer", "name"),
    [
        (jpeg(), ("further pictures",)),
        (struct.pack(">I", 16) + b"ftypisom" + bytes(99), ("motion video",)),
        (b"something", ("data after the picture",)),
        (b"\0\0\r\n", ()),
    ],
)
def test_what_comes_after_the_picture_is_named(trailer: bytes, name: tuple[str, ...]) -> None:
    assert decode_photo(jpeg() + trailer).metadata.left_out == name


def test_phones() -> None:
    assert decode_photo(gain_map_jpeg()).metadata.left_out == ("gain map",)
    assert decode_photo(motion_jpeg()).metadata.left_out == ("motion video",)
    assert decode_photo(extended_jpeg()).metadata.left_out == ()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 1}, {"quality": 100}])
def test_the_picture_s_end(options: dict[str, object]) -> None:
    content = encode_image(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)), "JPEG", **options)
    for start in (2, [end for _, _, end in read_segments(content)][-1]):
        assert picture_end(content + b"\xff\xd9more", start) == len(content)


def test_profiles_are_joined() -> None:
    large = SRGB + bytes(100_000)
    assert read_jpeg(encode_image(Image.new("RGB", (4, 4)), "JPEG", icc_profile=large)).icc == large


def test_inserted_segments_come_after_the_applications() -> None:
    content = insert_segments(jpeg(), [(COM, b"a"), (COM, b"b")])
    markers = [marker for marker, _, _ in read_segments(content)]
    assert markers[: markers.index(COM) + 2] == [0xE0, 0xE1, COM, COM]
    assert insert_segments(content, []) is content


def test_a_cut_segment_ends_them() -> None:
    content = captioned_jpeg()
    assert [marker for marker, _, _ in read_segments(content[:100])] == [0xE0]
    assert list(read_segments(b"\xff\xd8\xff\xe1\0\1")) == []


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.sampled_from([captioned_jpeg(), gain_map_jpeg(), motion_jpeg(), extended_jpeg()]), st.data())
def test_no_damage_in_metadata_costs_the_photo(content: bytes, data: st.DataObject) -> None:
    damaged = bytearray(content)
    ranges = [(start, end) for marker, start, end in read_segments(content) if is_metadata(marker)]
    for _ in range(data.draw(st.integers(1, 8))):
        start, end = data.draw(st.sampled_from(ranges))
        near = data.draw(st.sampled_from([end, min(end, start + 60)]))
        damaged[data.draw(st.integers(start + 4, near - 1))] = data.draw(st.integers(0, 255))
    photo = decode_photo(bytes(damaged))
    shape = decode_photo(pixels_only(content)).pixels.shape
    assert photo.pixels.shape[:2] in (shape[:2], shape[1::-1])  # the orientation may be what was damaged
