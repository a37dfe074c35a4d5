"""Content credentials are found in every format without a library that knows them."""

from __future__ import annotations

import struct

import pytest
from fakes import decode_photo, encode_image
from metadata_samples import jpeg
from PIL import Image

from laa_cli.photo.metadata.credentials import AVIF_USER_BOX, CREDENTIALS, TIFF_TAG
from laa_cli.photo.metadata.jpeg_segments import APP11
from laa_cli.photo.metadata.png_chunks import chunk

PICTURE = Image.new("RGB", (8, 8), (90, 100, 110))
BOXES = b"\0\0\0\x1ejumb\0\0\0\x1ejumdc2pa"


def segments(number: bytes, first: bytes) -> list[tuple[int, bytes]]:
    """A box of boxes that is too long for one segment of a JPEG."""
    parts = [first, b"further", b"last"]
    return [(APP11, b"JP" + number + struct.pack(">I", place) + part) for place, part in enumerate(parts, 1)]


def with_credentials(kind: str) -> bytes:
    if kind == "JPEG":
        return jpeg(*segments(b"\2\x11", BOXES))
    if kind == "TIFF":
        return encode_image(PICTURE, kind, tiffinfo={TIFF_TAG: BOXES})
    content = encode_image(PICTURE, kind)
    if kind == "PNG":
        return content[:33] + chunk(b"caBX", BOXES) + content[33:]
    if kind == "WEBP":
        added = b"C2PA" + struct.pack("<I", len(BOXES)) + BOXES + b"\0" * (len(BOXES) % 2)
        return content[:4] + struct.pack("<I", len(content) + len(added) - 8) + content[8:] + added
    if kind == "GIF":
        return content[:-1] + b"!\xff\x0bC2PA_GIF\x01\0\0" + bytes([len(BOXES)]) + BOXES + b"\0" + content[-1:]
    return content + struct.pack(">I", 8 + 16 + len(BOXES)) + b"uuid" + AVIF_USER_BOX + BOXES


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "GIF"])
def test_credentials_are_found(kind: str) -> None:
    assert decode_photo(with_credentials(kind)).metadata.left_out == (CREDENTIALS,)
    assert CREDENTIALS not in decode_photo(encode_image(PICTURE, kind)).metadata.left_out


def test_other_boxes_of_boxes_are_named_as_what_they_are() -> None:
    found = decode_photo(jpeg(*segments(b"\0\1", BOXES), *segments(b"\0\2", b"another"))).metadata.left_out
    assert found == (CREDENTIALS, "APP11 JP")


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
def test_a_cut_file_raises_nothing_of_its_own(kind: str) -> None:
    from laa_cli.photo.metadata.credentials import has_credentials

    content = with_credentials(kind)
    assert has_credentials(kind, content)
    for size in range(len(content)):
        assert has_credentials(kind, content[:size]) in (True, False)
