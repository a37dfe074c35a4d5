"""Colours without a profile: kept from PNG to PNG, said by a profile elsewhere, named where none can say them."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from fakes import SRGB, decode_photo, encode_image
from hypothesis import given
from hypothesis import strategies as st
from metadata_samples import GAMA, HDR_CHUNKS, P3_CHRM, P3_CHUNKS, png, wave_image

from laa_cli.photo import Photo, encode_photo, left_out
from laa_cli.photo.metadata.avif_boxes import read_nclx, with_nclx
from laa_cli.photo.metadata.color_signals import BT709, CURVES, PRIMARIES, SRGB_CURVE, Signals, from_nclx
from laa_cli.photo.metadata.icc import Curve, Primaries, build_profile, fitting_profile
from laa_cli.photo.metadata.png_chunks import chunk, read_png

P3_GAMMA = build_profile(PRIMARIES[12], Curve(1 / 0.45455), 3)
OTHERS = [".jpg", ".webp", ".tif", ".avif"]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_to_png(channels: int, dtype: type) -> None:
    chunks = [*HDR_CHUNKS, (b"sRGB", b"\0"), *P3_CHUNKS]
    photo = decode_photo(png(*chunks, dtype=dtype, channels=channels))
    content = encode_photo(photo, ".png")
    assert read_png(content).color == chunks
    assert content.index(b"cHRM") < content.index(b"IDAT")
    assert left_out(photo, ".png") == ()


def test_png_with_a_profile_keeps_both() -> None:
    content = png(*P3_CHUNKS)
    profile = encode_image(wave_image(), "PNG", icc_profile=SRGB)
    start = profile.index(b"iCCP") - 4
    body = profile[start + 8 : start + 8 + struct.unpack_from(">I", profile, start)[0]]
    photo = decode_photo(content[:33] + chunk(b"iCCP", body) + content[33:])
    assert decode_photo(encode_photo(photo, ".png")).metadata == photo.metadata
    assert decode_photo(encode_photo(photo, ".jpg")).metadata.icc == SRGB


@pytest.mark.parametrize("suffix", OTHERS)
@pytest.mark.parametrize(
    ("chunks", "profile"),
    [
        (P3_CHUNKS, P3_GAMMA),
        ([(b"cHRM", P3_CHRM)], build_profile(PRIMARIES[12], SRGB_CURVE, 3)),
        ([(b"gAMA", GAMA)], build_profile(BT709, Curve(1 / 0.45455), 3)),
        ([(b"gAMA", struct.pack(">I", 100000))], build_profile(BT709, Curve(1.0), 3)),
        ([(b"sRGB", b"\1"), *P3_CHUNKS], build_profile(BT709, SRGB_CURVE, 3, intent=1)),
    ],
)
def test_png_to_other_formats(suffix: str, chunks: list[tuple[bytes, bytes]], profile: bytes) -> None:
    photo = decode_photo(png(*chunks))
    assert decode_photo(encode_photo(photo, suffix)).metadata.icc == profile
    assert left_out(photo, suffix) == ()


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".tif"])
def test_cicp_comes_first(suffix: str) -> None:
    photo = decode_photo(png((b"cICP", bytes([12, 13, 0, 1])), (b"sRGB", b"\0"), *P3_CHUNKS))
    assert decode_photo(encode_photo(photo, suffix)).metadata.icc == build_profile(PRIMARIES[12], SRGB_CURVE, 3)


@pytest.mark.parametrize(("transfer", "name"), [(16, "HDR colours (PQ)"), (18, "HDR colours (HLG)")])
def test_hdr_is_named(transfer: int, name: str) -> None:
    photo = decode_photo(png((b"cICP", bytes([9, transfer, 0, 1])), *HDR_CHUNKS[1:]))
    assert left_out(photo, ".jpg") == ("brightness of the mastering display", name)
    assert decode_photo(encode_photo(photo, ".jpg")).metadata.icc is None
    assert left_out(decode_photo(png((b"cICP", bytes([9, transfer, 0, 1])), *P3_CHUNKS)), ".tif") == (name,)
    assert left_out(photo, ".avif") == ("brightness of the mastering display",)
    assert decode_photo(encode_photo(photo, ".avif")).metadata.color == Signals(((b"cICP", bytes([9, transfer, 0, 1])),))


def test_what_an_unknown_or_limited_cicp_says_is_named() -> None:
    for cicp in ((200, 13, 0, 1), (1, 13, 0, 0)):
        named = f"colour description (cICP {cicp[0]}/{cicp[1]}/{cicp[2]}/{cicp[3]})"
        assert left_out(decode_photo(png((b"cICP", bytes(cicp)))), ".jpg") == (named,)


def test_grey_becomes_what_the_format_has() -> None:
    photo = decode_photo(png(*P3_CHUNKS, channels=1))
    assert fitting_profile(decode_photo(encode_photo(photo, ".jpg")).metadata.icc, 1)
    assert decode_photo(encode_photo(photo, ".webp")).metadata.icc == P3_GAMMA


def test_bmp_has_no_colours_but_srgb() -> None:
    assert left_out(decode_photo(png(*P3_CHUNKS)), ".bmp") == ("colour profile",)
    assert left_out(decode_photo(png((b"sRGB", b"\0"))), ".bmp") == ()


@pytest.mark.parametrize("damaged", [(b"cHRM", bytes(32)), (b"gAMA", bytes(4)), (b"gAMA", b"\xff" * 4)])
def test_impossible_colours_are_named(damaged: tuple[bytes, bytes]) -> None:
    photo = decode_photo(png(damaged))
    assert left_out(photo, ".jpg") == ("damaged colour description (gAMA, cHRM)",)
    assert read_png(encode_photo(photo, ".png")).color == [damaged]


def test_stripping_keeps_the_colours() -> None:
    photo = decode_photo(png(*P3_CHUNKS))
    assert read_png(encode_photo(Photo(photo.pixels, photo.metadata.stripped()), ".png")).color == list(P3_CHUNKS)


def avif(primaries: int, transfer: int, **options: object) -> bytes:
    return with_nclx(encode_image(wave_image(), "AVIF", **options), primaries, transfer)


def test_avif_without_a_profile() -> None:
    photo = decode_photo(avif(12, 13))
    assert read_nclx(encode_photo(photo, ".avif")) == (12, 13)
    assert read_png(encode_photo(photo, ".png")).color == [(b"cICP", bytes([12, 13, 0, 1]))]
    assert decode_photo(encode_photo(photo, ".jpg")).metadata.icc == build_profile(PRIMARIES[12], SRGB_CURVE, 3)
    assert left_out(decode_photo(avif(9, 16)), ".jpg") == ("HDR colours (PQ)",)


def test_avif_of_srgb_says_no_more() -> None:
    assert decode_photo(avif(1, 13)).metadata.color == from_nclx((2, 2)) == from_nclx(None) == Signals()
    assert decode_photo(avif(12, 13, icc_profile=SRGB)).metadata.color == Signals()
    assert from_nclx((12, 2)) == Signals(((b"cICP", bytes([12, 13, 0, 1])),))


@given(
    st.lists(st.tuples(st.sampled_from([b"gAMA", b"cHRM", b"cICP", b"sRGB"]), st.binary(min_size=32, max_size=32)), max_size=4)
)
def test_any_bytes(chunks: list[tuple[bytes, bytes]]) -> None:
    sizes = {b"gAMA": 4, b"cHRM": 32, b"cICP": 4, b"sRGB": 1}
    signals = Signals(tuple((kind, content[: sizes[kind]]) for kind, content in chunks))
    for channels in (1, 3):
        icc, _ = signals.profile(None, channels)
        assert icc is None or fitting_profile(icc, channels)


def test_every_number_has_primaries_and_a_curve() -> None:
    assert all(isinstance(primaries, Primaries) for primaries in PRIMARIES.values())
    for transfer in CURVES:
        assert Signals(((b"cICP", bytes([1, transfer, 0, 1])),)).profile(None, 3)[0]
