"""Metadata: what still holds is kept in every format, what does not is dropped."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
import pytest
from fakes import PHOTO_SUFFIXES, SRGB, decode_photo, encode_image, exif_block, noise_pixels
from PIL import Image

from laa_cli.photo import Metadata, Photo, encode_photo

GREY_PROFILE = SRGB[:16] + b"GRAY" + SRGB[20:]  # only the header's colour space is looked at


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", PHOTO_SUFFIXES)
def test_metadata_survives(suffix: str, dtype: type, metadata: Metadata) -> None:
    content = encode_photo(Photo(noise_pixels(3, dtype), metadata), suffix)
    kept = decode_photo(content).metadata
    if suffix not in (".webp", ".avif"):
        assert kept.dpi == (300, 240)
    if suffix == ".bmp":
        return
    assert (kept.icc, kept.xmp) == (SRGB, metadata.xmp)
    with Image.open(io.BytesIO(content)) as image:
        exif = image.getexif()
        assert (exif[0x010F], exif[0x013B], exif.get(0x0112, 1)) == ("Maker", "Ada", 1)
        assert image.info["icc_profile"] == SRGB
        assert exif.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
        assert exif.get_ifd(0x8769)[0x927C] == b"private" * 4
        assert exif.get_ifd(0x8825)[2] == (52.0, 31.0, 12.5)
        assert not {0xA002, 0xA003} & set(exif.get_ifd(0x8769))


def test_letters_beyond_ascii_survive_in_exif() -> None:
    text = "© José".encode()
    block = b"MM\0*" + struct.pack(">IHHHII", 8, 1, 0x8298, 2, len(text), 26) + bytes(4) + text
    kept = decode_photo(encode_image(Image.new("RGB", (4, 4)), "PNG", exif=block)).metadata.exif
    assert kept is not None
    assert text in kept


def test_profiles_that_do_not_fit_are_dropped() -> None:
    assert decode_photo(encode_image(Image.new("L", (4, 4)), "JPEG", icc_profile=SRGB)).metadata.icc is None
    assert decode_photo(encode_image(Image.new("RGB", (4, 4)), "JPEG", icc_profile=b"nonsense")).metadata.icc is None
    grey = decode_photo(encode_image(Image.new("L", (4, 4)), "JPEG", icc_profile=GREY_PROFILE))
    assert grey.metadata.icc == GREY_PROFILE
    assert decode_photo(encode_photo(grey, ".png")).metadata.icc == GREY_PROFILE
    with Image.open(io.BytesIO(encode_photo(grey, ".webp"))) as image:
        assert "icc_profile" not in image.info


def test_exif_too_long_for_jpeg_loses_the_makers_note() -> None:
    photo = decode_photo(encode_image(Image.new("RGB", (4, 4)), "PNG", exif=exif_block(note=b"x" * 70000)))
    with Image.open(io.BytesIO(encode_photo(photo, ".jpg"))) as image:
        assert image.getexif()[0x010F] == "Maker"
        assert 0x927C not in image.getexif().get_ifd(0x8769)


def test_thumbnails_are_dropped() -> None:
    exif = exif_block()[6:]
    count = struct.unpack_from("<H" if exif[:2] == b"II" else ">H", exif, 8)[0]
    order = "<" if exif[:2] == b"II" else ">"
    thumbnail = struct.pack(order + "HHHIIHHIII", 2, 0x0201, 4, 1, len(exif) + 30, 0x0202, 4, 1, 9, 0) + b"THUMBNAIL"
    at = 10 + 12 * count
    exif = exif[:at] + struct.pack(order + "I", len(exif)) + exif[at + 4 :] + thumbnail
    kept = decode_photo(encode_image(Image.new("RGB", (4, 4)), "JPEG", exif=b"Exif\0\0" + exif)).metadata.exif
    assert kept is not None
    assert b"Maker" in kept
    assert b"THUMBNAIL" not in kept


@pytest.mark.parametrize(
    ("packet", "kept"),
    [
        (b'<a tiff:Orientation="6" b="c"/>', b'<a b="c"/>'),
        (b"<a><tiff:Orientation>6</tiff:Orientation></a>", b"<a></a>"),
        (b'<a hdrgm:Version="1.0" b="c"/>', b'<a b="c"/>'),
    ],
)
def test_stale_xmp_is_dropped(packet: bytes, kept: bytes | None) -> None:
    assert decode_photo(encode_image(Image.new("RGB", (4, 4)), "JPEG", xmp=packet)).metadata.xmp == kept


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])  # Pillow neither writes nor opens such an AVIF
@pytest.mark.parametrize("damage", [b"Exif\0\0II*\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\0\1", b"Exif\0\0nothing at all"])
def test_damaged_metadata_is_left_out(kind: str, damage: bytes) -> None:
    block = damage if kind == "JPEG" else damage[6:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = encode_image(Image.new("RGB", (16, 16)), kind, exif=block, icc_profile=b"\0" * 200)
    photo = decode_photo(content)
    assert (photo.metadata.exif, photo.metadata.icc) == (None, None)


def test_xmp_orientation_counts_where_exif_has_none() -> None:
    content = encode_image(Image.new("RGB", (4, 8)), "JPEG", xmp=b'<a tiff:Orientation="6"/>')
    assert decode_photo(content).pixels.shape == (4, 8, 3)
