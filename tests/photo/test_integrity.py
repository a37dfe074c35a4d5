"""Files that are cut short: found before the pixels are spread out, and no file is refused that opened before."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from fakes import decode_photo, encode_image, noise_pixels
from PIL import Image, ImageFile

from laa_cli.errors import LaaError

KINDS = ["JPEG", "PNG", "WEBP", "BMP", "AVIF", "GIF", "TIFF"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "GIF"])
def test_a_file_cut_in_its_first_tenth_is_refused(kind: str) -> None:
    content = encode_image(Image.fromarray(noise_pixels(3, height=90, width=120)), kind)
    for size in range(12, len(content) // 10, len(content) // 100):
        with pytest.raises(LaaError, match="truncated"):
            decode_photo(content[:size])


@pytest.mark.parametrize("kind", ["BMP", "PNG"])
def test_pixels_that_are_not_in_the_file_are_not_looked_for(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = encode_image(Image.fromarray(noise_pixels(3, height=90, width=120)), kind)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("the pixels were decoded"))
    with pytest.raises(LaaError, match="truncated or damaged"):
        decode_photo(content[: len(content) * 9 // 10])


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_a_bmp_may_lack_the_padding_of_its_last_row(mode: str) -> None:
    image = Image.fromarray(noise_pixels(3, height=9, width=13)).convert(mode)
    content = encode_image(image, "BMP")
    whole = decode_photo(content).pixels
    padding = -(13 * {"1": 0, "L": 1, "P": 1, "RGB": 3, "RGBA": 4}[mode]) % 4
    np.testing.assert_array_equal(decode_photo(content[: len(content) - padding]).pixels, whole)


@pytest.mark.parametrize("kind", KINDS)
def test_what_cameras_append_is_passed_over(kind: str) -> None:
    content = encode_image(Image.fromarray(noise_pixels(3, height=40, width=50)), kind)
    trailer = struct.pack("<II", 7, 9) + b"trailer" * 100
    np.testing.assert_array_equal(decode_photo(content + trailer).pixels, decode_photo(content).pixels)
