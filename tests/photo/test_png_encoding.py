"""PNG: Paeth's filter against the specification's words, strips that are one zlib stream, and what zlib is told to look for."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from fakes import decode_photo, noise_pixels, ramp_pixels
from PIL import Image

from laa_cli.photo import Photo, encode_photo, png_encoding
from laa_cli.photo.png_encoding import Strip, choose_strategy, filter_rows, joined_checksum


def paeth(left: int, above: int, corner: int) -> int:
    """The predictor as PNG's specification has it."""
    estimate = left + above - corner
    to_left, to_above, to_corner = abs(estimate - left), abs(estimate - above), abs(estimate - corner)
    if to_left <= to_above and to_left <= to_corner:
        return left
    return above if to_above <= to_corner else corner


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_filter_is_the_specifications(channels: int, dtype: type) -> None:
    pixels = np.concatenate([noise_pixels(channels, dtype, 4, 7), noise_pixels(channels, dtype, 4, 7) // 64 * 64])
    raw = pixels.astype(pixels.dtype.newbyteorder(">")).view(np.uint8).reshape(8, -1).astype(int)
    step = channels * pixels.itemsize
    padded = np.zeros((9, raw.shape[1] + step), int)
    padded[1:, step:] = raw
    expected = [
        [(raw[y, x] - paeth(padded[y + 1, x], padded[y, x + step], padded[y, x])) % 256 for x in range(raw.shape[1])]
        for y in range(8)
    ]
    for rows in (slice(0, 8), slice(0, 1), slice(3, 8)):
        filtered = filter_rows(pixels, rows)
        np.testing.assert_array_equal(filtered[:, 0], 4)
        np.testing.assert_array_equal(filtered[:, 1:], expected[rows])


def test_blocks_of_a_strip_give_what_the_whole_would(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = noise_pixels(3, np.uint8, 23, 17)
    whole = filter_rows(pixels, slice(0, 23))
    monkeypatch.setattr(png_encoding, "FILTERED_BYTES", 100)
    np.testing.assert_array_equal(filter_rows(pixels, slice(0, 23)), whole)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_strips_are_one_stream(channels: int, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.vstack([noise_pixels(channels, dtype, 41, 37), ramp_pixels(channels).astype(dtype)[:20, :37]])
    monkeypatch.setattr(png_encoding, "STRIP_BYTES", 500)
    content = encode_photo(Photo(pixels), ".png")
    assert content.count(b"IDAT") > 3
    np.testing.assert_array_equal(decode_photo(content).pixels, pixels)
    with Image.open(io.BytesIO(content)) as image:
        image.verify()


def test_a_checksum_goes_on_from_strip_to_strip() -> None:
    parts = [bytes(range(256)) * 300, b"", b"\xff" * 70_000, b"end"]
    checksum = 1
    for part in parts:
        checksum = joined_checksum(checksum, Strip(b"", zlib.adler32(part), len(part)))
    assert checksum == zlib.adler32(b"".join(parts))


def test_noise_is_only_coded_and_repetitions_are_looked_for() -> None:
    noise = np.random.default_rng(0).integers(-3, 4, 300_000).astype(np.uint8)
    assert choose_strategy(noise.data) == zlib.Z_RLE
    assert choose_strategy(np.tile(noise[:5000], 60).data) == zlib.Z_DEFAULT_STRATEGY


@pytest.mark.parametrize("seed", [0, 1])
def test_files_are_as_small_as_pillows(seed: int) -> None:
    generator = np.random.default_rng(seed)
    smooth = np.add.outer(np.arange(400), np.arange(600))[..., None] // (2, 3, 5) % 200
    noisy = (smooth + generator.integers(-4, 5, smooth.shape)).astype(np.uint8)
    glyphs = np.tile(generator.integers(0, 2, (16, 40, 1), np.uint8) * 255, (25, 15, 3))
    for pixels in (noisy, smooth.astype(np.uint8), glyphs):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        assert len(encode_photo(Photo(pixels), ".png")) < 1.03 * len(buffer.getvalue()) + 200
