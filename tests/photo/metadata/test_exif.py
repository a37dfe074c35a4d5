"""EXIF: what is named, what moves with the pixels, and BigTIFF."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from fakes import decode_photo, encode_image, exif_block
from metadata_samples import jpeg, wave_image
from PIL import Image

from laa_cli.photo import Photo, encode_photo, left_out
from laa_cli.photo.metadata.exif import resolution
from laa_cli.photo.metadata.ifd import MAX_BYTES, Entry, first_offset, read_directory


def details(content: bytes) -> dict[int, object]:
    with Image.open(io.BytesIO(content)) as image:
        return dict(image.getexif().get_ifd(0x8769))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_captions_places_and_notes_hold(suffix: str) -> None:
    with Image.open(io.BytesIO(encode_photo(decode_photo(jpeg()), suffix))) as image:
        exif = image.getexif()
    assert (exif[270], exif[0x9C9B]) == ("A caption", "Title".encode("utf-16-le") + b"\0\0")
    assert exif.get_ifd(0x8825)[2] == (52.0, 31.0, 12.5)
    assert (exif.get_ifd(0x8769)[0x9286], exif.get_ifd(0x8769)[0x927C]) == (b"ASCII\0\0\0said of it", b"private" * 4)


def test_the_subject_moves_with_the_pixels() -> None:
    photo = decode_photo(jpeg(orientation=6))
    assert details(encode_photo(photo, ".jpg"))[0x9214] == (38, 20, 6, 8)
    larger = photo.with_pixels(np.zeros((4 * photo.height, 4 * photo.width, 3), np.uint8))
    assert details(encode_photo(larger, ".jpg"))[0x9214] == (152, 80, 24, 32)
    huge = Photo(np.broadcast_to(np.uint8(0), (1, 1, 3)), photo.metadata.resized((48, 64), (480_000, 640_000)))
    assert 0x9214 not in details(encode_photo(huge, ".jpg"))  # the numbers have 16 bits


def test_thumbnails_are_named() -> None:
    block = exif_block()[6:]
    count = struct.unpack_from(">H", block, 8)[0]
    thumbnail = struct.pack(">HHHIIHHIII", 2, 0x0201, 4, 1, len(block) + 30, 0x0202, 4, 1, 9, 0) + b"THUMBNAIL"
    at = 10 + 12 * count
    with_thumbnail = block[:at] + struct.pack(">I", len(block)) + block[at + 4 :] + thumbnail
    assert decode_photo(encode_image(wave_image(), "JPEG", exif=b"Exif\0\0" + with_thumbnail)).metadata.left_out == (
        "thumbnail",
    )


@pytest.mark.parametrize("damage", [b"II*\0", b"MM\0*\0\0\0\x08\xff\xff\0\1", b"nothing at all"])
def test_damage_is_named(damage: bytes) -> None:
    photo = decode_photo(encode_image(wave_image(), "JPEG", exif=b"Exif\0\0" + damage))
    assert (photo.metadata.exif, photo.metadata.left_out) == (None, ("damaged EXIF",))


def test_what_a_tiff_says_of_its_old_pixels_is_named() -> None:
    photo = decode_photo(encode_image(wave_image(), "TIFF", tiffinfo={33550: (1.0, 1.0, 0.0), 269: "Box 7", 285: "Page 2"}))
    assert left_out(photo, ".tif") == ("georeference",)
    with Image.open(io.BytesIO(encode_photo(photo, ".jpg"))) as image:
        assert (image.getexif()[269], image.getexif()[285]) == ("Box 7", "Page 2")


def bigtiff(order: str) -> bytes:
    """A BigTIFF's header and one directory: a caption and a resolution."""
    head = (b"II+\0" if order == "<" else b"MM\0+") + struct.pack(order + "HHQ", 8, 0, 16)
    entries = struct.pack(order + "HHQQ", 270, 2, 10, 112) + struct.pack(order + "HHQII", 282, 5, 1, 300, 1)
    entries += struct.pack(order + "HHQII", 283, 5, 1, 300, 1) + struct.pack(order + "HHQHHI", 296, 3, 1, 2, 0, 0)
    return head + struct.pack(order + "Q", 4) + entries + bytes(8) + b"A caption\0"


@pytest.mark.parametrize("order", ["<", ">"])
def test_bigtiff(order: str) -> None:
    block = bigtiff(order)
    assert read_directory(block, first_offset(block))[270] == Entry(2, 10, b"A caption\0")
    assert resolution(block) == (300, 300)
    for size in range(len(block)):
        assert read_directory(block[:size], first_offset(block[:size])).keys() <= {270, 282, 283, 296}


def test_hostile_directories_are_bounded() -> None:
    count = 60_000
    entries = b"".join(struct.pack("<HHII", number, 2, 1 << 20, 8) for number in range(count))
    block = b"II*\0" + struct.pack("<IH", 8, count) + entries + bytes(1 << 20)
    assert sum(len(entry.payload) for entry in read_directory(block, 8).values()) <= MAX_BYTES
