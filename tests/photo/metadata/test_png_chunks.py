"""PNG's chunks: what is read, what damage costs, and what is written."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from fakes import decode_photo
from hypothesis import given, settings
from hypothesis import strategies as st
from metadata_samples import HDR_CHUNKS, IPTC_BLOCK, P3_CHUNKS, TEXT_CHUNKS, png, resource, xmp_packet

from laa_cli.photo.metadata import png_chunks
from laa_cli.photo.metadata.credentials import CREDENTIALS
from laa_cli.photo.metadata.png_chunks import chunk, pixels_only, raw_profile, read_png, read_text, text_chunk


def test_colours_and_texts_are_read_as_they_are() -> None:
    found = read_png(png(*P3_CHUNKS, *HDR_CHUNKS, *TEXT_CHUNKS))
    assert found.color == [*P3_CHUNKS, *HDR_CHUNKS]
    assert found.text == list(TEXT_CHUNKS)
    assert found.left_out == []


@pytest.mark.parametrize(
    ("damaged", "name"),
    [
        ((b"gAMA", b"\0\0"), "damaged gAMA"),
        ((b"zTXt", b"Title\0\0nonsense"), "damaged zTXt"),
        ((b"iTXt", b"Title\0\1\0"), "damaged iTXt"),
        ((b"tEXt", b"no separator"), "damaged tEXt"),
        ((b"tIME", b"\0"), "damaged tIME"),
        ((b"iCCP", b"name\0\0nonsense"), "damaged iCCP"),
        ((b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(b"\niptc\n 5\nzz")), "damaged zTXt"),
        ((b"caBX", b"c2pa"), CREDENTIALS),
        ((b"abCd", b""), "PNG's abCd"),
    ],
)
def test_damage_and_unknown_chunks_are_named(damaged: tuple[bytes, bytes], name: str) -> None:
    photo = decode_photo(png(damaged, *TEXT_CHUNKS[:1]))
    assert photo.metadata.left_out == (name,)
    assert photo.metadata.text == TEXT_CHUNKS[:1]
    np.testing.assert_array_equal(photo.pixels, decode_photo(png()).pixels)


def test_a_wrong_checksum_costs_its_chunk_only() -> None:
    content = png(*TEXT_CHUNKS[:2]).replace(b"An evening", b"An Evening")
    photo = decode_photo(content)
    assert photo.metadata.left_out == ("damaged tEXt",)
    assert photo.metadata.text == TEXT_CHUNKS[1:2]


def test_colours_after_the_pixels_do_not_count() -> None:
    content = png()
    late = content[:-12] + chunk(*P3_CHUNKS[0]) + content[-12:]
    assert decode_photo(late).metadata.left_out == ("damaged gAMA",)


def test_long_texts_cost_no_photo_and_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    long = (b"zTXt", b"Long\0\0" + zlib.compress(b"x" * (2 << 20)))  # beyond what Pillow would take
    assert decode_photo(png(long)).metadata.text == (long,)
    monkeypatch.setattr(png_chunks, "MAX_TEXT_BYTES", 3 << 20)
    assert decode_photo(png(long, long)).metadata.left_out == ("damaged zTXt",)


def test_imagemagicks_profiles_are_read() -> None:
    profiles = [
        raw_profile("iptc", resource(0x0404, IPTC_BLOCK)),
        raw_profile("xmp", xmp_packet()),
        raw_profile("exif", b"MM\0*"),
    ]
    found = read_png(png(*profiles))
    assert (found.photoshop, found.xmp, found.exif) == (resource(0x0404, IPTC_BLOCK), xmp_packet(), b"MM\0*")
    assert decode_photo(png(raw_profile("iptc", IPTC_BLOCK))).metadata.iptc == IPTC_BLOCK
    spoken = b"\nIPTC profile\n%8d\n%s\n" % (len(IPTC_BLOCK), IPTC_BLOCK.hex().encode())  # as exiftool heads it
    assert decode_photo(png((b"tEXt", b"Raw profile type iptc\0" + spoken))).metadata.iptc == IPTC_BLOCK


def test_text_chunks() -> None:
    for text in ("plain", "José", "夕方"):
        found = read_text(*text_chunk("Comment", text))
        assert (found.keyword, found.content.decode(found.encoding)) == ("Comment", text)


def test_files_without_metadata_are_not_copied() -> None:
    content = png()
    assert pixels_only(content) is content


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_no_damage_in_metadata_costs_the_photo(data: st.DataObject) -> None:
    content = bytearray(png(*P3_CHUNKS, *HDR_CHUNKS, *TEXT_CHUNKS, raw_profile("iptc", IPTC_BLOCK)))
    ranges = [(start, end) for kind, start, end in png_chunks.read_chunks(content) if kind not in png_chunks.CRITICAL]
    for _ in range(data.draw(st.integers(1, 8))):
        start, end = data.draw(st.sampled_from(ranges))
        content[data.draw(st.integers(start + 8, end - 1))] = data.draw(st.integers(0, 255))
    np.testing.assert_array_equal(decode_photo(bytes(content)).pixels, decode_photo(png()).pixels)
