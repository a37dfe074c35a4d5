"""JPEG streams: kinds that are decoded and kinds that are named, and those that claim more than they hold."""

from __future__ import annotations

import base64
import struct
from typing import Any

import imagecodecs
import numpy as np
import pytest
from fakes import decode_photo, encode_image
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFile

from laa_cli.errors import LaaError
from laa_cli.photo import Photo, encode_photo
from laa_cli.photo.jpeg import check_jpeg, read_frame

TABLES = """
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAxNDQ0Hyc5PTgyPC4zNDL/
2wBDAQkJCQwLDBgNDRgyIRwhMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjI=
"""
ARITHMETIC = {  # `ramps` at quality 75, transcoded by jpegtran -arithmetic
    "sequential": """
/8kAEQgAMABAAwEiAAIRAQMRAf/MAAoAEBAFARARBf/aAAwDAQACEQMRAD8A/wDROYCRd0jma9ztLLrW/Hu8iqeuiH8W78K2LK8XczAeY9XVnLPt1eGmxP5A
39IFWMOUl7+nUx8MlTpgJo2/s07pbUlsH8WJOG7Oe8xdoMSwsDpTheyNm/YUtdCH6ohzj8FzyY2TNcKCo1BKRkJ9I880Qmq2cIxd9Gs4HX6QBuk75gAs4iA7
RuXoH5c8HvWBIlPsjHhSreiYS//Z""",
    "progressive": """
/8oAEQgAMABAAwEiAAIRAQMRAf/MAAYAEAEQ/9oADAMBAAIQAxAAAAH/AKJXgL8URKY10oi1xpuQsqIbeZjHgJnIN7sdNcR5qQDYx1lLmA7zcnzbSEj/zAAE
EAX/2gAIAQEAAQUCEzLMIYLBahksW0YfJ7Vtttttttttttttttttttttttttttttt//MAAQRBf/aAAgBAwEBPwEXtMN8yB39L9+w/8wABBEF/9oACAECAQE/
AX6COv/MAAQQBf/aAAgBAQAGPwKo/8wABBAF/9oACAEBAAE/If/aAAwDAQACAAMAAAAQF71DYzMWVzIDgP/MAAQRBf/aAAgBAwEBPxDpgP/MAAQRBf/aAAgB
AgEBPxD12sjA/8wABBAF/9oACAEBAAE/EExjvAcx6DtO8c+gonrf4P/Z""",
}


def ramps() -> NDArray[np.uint8]:
    y, x = np.mgrid[:48, :64]
    return np.stack([x * 4, y * 5, (x + y) * 2], 2).astype(np.uint8)


def arithmetic(kind: str) -> bytes:
    return base64.b64decode(TABLES) + base64.b64decode(ARITHMETIC[kind])


@pytest.mark.parametrize("kind", ARITHMETIC)
def test_arithmetic_coded_photos_of_any_size_are_exact(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = decode_photo(encode_image(Image.fromarray(ramps()), "JPEG", quality=75)).pixels
    monkeypatch.setattr(ImageFile, "MAXBLOCK", 128)  # libjpeg cannot wait for the next part of such data
    np.testing.assert_array_equal(decode_photo(arithmetic(kind)).pixels, expected)


def test_lossless_photos_are_exact() -> None:
    np.testing.assert_array_equal(decode_photo(imagecodecs.jpeg8_encode(ramps(), lossless=True)).pixels, ramps())


def with_frame(marker: int) -> bytes:
    """A photo whose frame header says that it is of another kind."""
    content = encode_photo(Photo(ramps()), ".jpg")
    place = content.index(b"\xff\xc0")
    return content[: place + 1] + bytes([marker]) + content[place + 2 :]


OTHER_KINDS = {
    "a JPEG of 12 bits per sample": imagecodecs.jpeg8_encode(ramps().astype(np.uint16) * 16, bitspersample=12),
    "a JPEG of 16 bits per sample": imagecodecs.jpeg8_encode(ramps().astype(np.uint16), bitspersample=16, lossless=True),
    "a JPEG-LS photo": imagecodecs.jpegls_encode(ramps()),
    "a hierarchical JPEG": with_frame(0xC5),
    "a lossless arithmetic-coded JPEG": with_frame(0xCB),
    "a JPEG 2000 photo": imagecodecs.jpeg2k_encode(ramps()),
    "a JPEG XL photo": imagecodecs.jpegxl_encode(ramps()),
    "a JPEG XR photo": imagecodecs.jpegxr_encode(ramps()),
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_other_kinds_are_named_and_not_called_damaged(kind: str) -> None:
    with pytest.raises(LaaError, match=f"it is {kind}, which is not supported") as caught:
        decode_photo(OTHER_KINDS[kind])
    assert "damaged" not in str(caught.value)


def claiming(content: bytes, width: int, height: int) -> bytes:
    """A photo whose header claims another size."""
    frame = read_frame(content)
    assert frame is not None
    place = content.index(bytes([0xFF, frame.marker])) + 5
    return content[:place] + struct.pack(">HH", height, width) + content[place + 4 :]


@pytest.mark.parametrize("progressive", [False, True])
def test_a_photo_that_cannot_hold_what_it_claims_is_refused_before_it_is_decoded(
    progressive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = claiming(encode_image(Image.fromarray(ramps()), "JPEG", progressive=progressive), 30000, 20000)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("the pixels were decoded"))
    with pytest.raises(LaaError, match=f"damaged .{len(content)} bytes cannot hold 30000x20000 pixels"):
        decode_photo(content, max_pixels=10**9)


def options() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "quality": st.integers(1, 95),
            "progressive": st.booleans(),
            "optimize": st.booleans(),
            "subsampling": st.sampled_from([0, 1, 2]),
            "restart_marker_blocks": st.sampled_from([0, 1, 7]),
        }
    )


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from(["L", "RGB", "CMYK"]), st.booleans(), options())
def test_no_intact_photo_is_refused(width: int, height: int, mode: str, blank: bool, choice: dict[str, Any]) -> None:
    image = Image.new(mode, (width, height)) if blank else Image.fromarray(ramps()).convert(mode).resize((width, height))
    content = encode_image(image, "JPEG", **choice)
    frame = check_jpeg(content)
    assert frame is not None
    assert (frame.width, frame.height, frame.bits) == (width, height, 8)
    assert decode_photo(content).width == width


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=200), st.integers(0, 600))
def test_damage_is_no_other_error(noise: bytes, place: int) -> None:
    content = arithmetic("sequential")
    for damaged in (noise, b"\xff\xd8" + noise, content[:place] + noise + content[place + len(noise) :]):
        try:
            check_jpeg(damaged)
        except ValueError as error:
            assert "cannot hold" in str(error)
