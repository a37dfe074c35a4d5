"""IPTC: datasets stay byte for byte, but for previews and the picture's old size."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st
from metadata_samples import IPTC_BLOCK, dataset

from laa_cli.photo.metadata.iptc import clean_iptc, from_tiff_longs


def test_captions_stay_byte_for_byte() -> None:
    assert clean_iptc(IPTC_BLOCK) == (IPTC_BLOCK, ())
    assert clean_iptc(IPTC_BLOCK + b"\0\0\0") == (IPTC_BLOCK, ())  # padding
    assert clean_iptc(b"") == (b"", ())


def test_previews_and_the_old_size_go() -> None:
    stale = dataset(2, 202, b"JPEG") + dataset(3, 20, b"\0\x40")
    assert clean_iptc(stale + IPTC_BLOCK) == (IPTC_BLOCK, ("thumbnail", "IPTC picture parameters"))


def test_long_datasets() -> None:
    long = struct.pack(">BBBHI", 0x1C, 2, 120, 0x8004, 40_000) + b"x" * 40_000
    assert clean_iptc(long + IPTC_BLOCK) == (long + IPTC_BLOCK, ())


def test_what_comes_before_damage_is_kept() -> None:
    assert clean_iptc(IPTC_BLOCK + dataset(2, 5, b"title")[:-2]) == (IPTC_BLOCK, ("damaged IPTC",))
    assert clean_iptc(b"nonsense") == (b"", ("damaged IPTC",))


def test_numbers_that_a_tiff_turned_around() -> None:
    block = IPTC_BLOCK + b"\0" * (-len(IPTC_BLOCK) % 4)
    turned = b"".join(block[at : at + 4][::-1] for at in range(0, len(block), 4))
    assert from_tiff_longs(turned) == from_tiff_longs(block) == block


@given(st.binary(max_size=200), st.integers(0, len(IPTC_BLOCK)))
def test_any_bytes(noise: bytes, cut: int) -> None:
    kept, _ = clean_iptc(IPTC_BLOCK[:cut] + noise)
    assert clean_iptc(kept) == (kept, ())
