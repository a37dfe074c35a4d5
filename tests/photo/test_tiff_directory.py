"""TIFF directories: kinds that are refused say so; hostile files are damaged, within bounds."""

from __future__ import annotations

import io
import logging
import struct

import numpy as np
import pytest
import tifffile
from fakes import decode_photo
from tiffs import change, no_more_memory_than, photo_like, samples, write

from laa_cli.errors import LaaError


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "int32", "float16", "float32", "float64", "complex64", "uint64"])
@pytest.mark.parametrize("count", [1, 3])
def test_numbers_that_are_no_colours_are_not_supported(dtype: str, count: int) -> None:
    array = np.ones((9, 9, count) if count > 1 else (9, 9), dtype)
    with pytest.raises(LaaError, match="not supported: save it as grey or RGB with 8 or 16 bits"):
        decode_photo(write(array, photometric="rgb" if count == 3 else "minisblack"))


@pytest.mark.parametrize(("tag", "value"), [(259, 34676), (259, 65000), (262, 32844), (262, 4), (317, 3), (259, 99)])
def test_other_kinds_are_not_supported(tag: int, value: int) -> None:
    content = change(write(samples(3, np.uint16), photometric="rgb", compression="lzw", predictor=True), tag, value)
    with pytest.raises(LaaError, match="is not supported"):
        decode_photo(content)


def test_raw_files_and_pages_are_named() -> None:
    grey = samples(1, np.uint8)
    for tag in ((254, 4, 1, 1, True), (50706, 1, 4, b"\1\4\0\0", True)):
        with pytest.raises(LaaError, match="raw file"):
            decode_photo(write(grey, extratags=[tag]) if tag[0] != 254 else write(grey, subfiletype=1))
    with pytest.raises(LaaError, match="raw file"):
        decode_photo(change(write(grey), 262, 32803))
    with pytest.raises(LaaError, match="it has 3 pages"):
        decode_photo(write(np.stack([grey] * 3), photometric="minisblack"))


def test_thumbnails_in_sub_directories_are_passed_over() -> None:
    file = io.BytesIO()
    array = samples(3, np.uint8)
    with tifffile.TiffWriter(file) as writer:
        writer.write(array, photometric="rgb", subifds=1)
        writer.write(array[::2, ::2], photometric="rgb", subfiletype=1)
    np.testing.assert_array_equal(decode_photo(file.getvalue()).pixels, array)


def hostile() -> dict[str, bytes]:
    content = write(samples(3, np.uint8), photometric="rgb", rowsperstrip=7)
    deflated = write(samples(3, np.uint8), photometric="rgb", compression="deflate", tile=(16, 16))
    huge = change(change(write(samples(3, np.uint8), photometric="rgb", compression="deflate"), 256, 20_000), 257, 20_000)
    files = {
        "short": content[:-1],
        "far strips": change(write(samples(3, np.uint8), photometric="rgb"), 273, 1 << 30),
        "more strips": change(content, 278, 1),
        "huge": change(huge, 278, 20_000),
        "huge tiles": change(change(deflated, 322, 1 << 20), 323, 1 << 20),
        "fewer samples": change(content, 277, 2),
        "no samples": change(content, 277, 0),
        "extra samples": change(write(samples(4, np.uint8), photometric="rgb", extrasamples=["unassalpha"]), 277, 3),
        "no such palette": change(write(samples(1, np.uint8)), 262, 3),
    }
    start = struct.unpack_from("<I", content, 4)[0]
    count = struct.unpack_from("<H", content, start)[0]
    files["far pages"] = content[: start + 2 + 12 * count] + struct.pack("<I", 1 << 30) + content[start + 6 + 12 * count :]
    files["many tags"] = content[:start] + b"\xff\xff" + content[start + 2 :]
    files["jpeg"] = larger_jpeg()
    return files


def larger_jpeg() -> bytes:
    """A TIFF whose only strip is a JPEG stream that claims to be larger."""
    content = write(photo_like(), photometric="ycbcr", compression="jpeg", subsampling=(1, 1))
    frame = content.index(b"\xff\xc0") + 5
    return content[:frame] + struct.pack(">HH", 60000, 60000) + content[frame + 4 :]


@pytest.mark.parametrize(("name", "content"), hostile().items(), ids=hostile().keys())
def test_hostile_files_are_damaged_and_take_no_memory(name: str, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with no_more_memory_than(300), pytest.raises(LaaError, match="damaged"):
        decode_photo(content, 10**9)
    assert caplog.records == []


def test_no_number_of_samples_takes_memory() -> None:
    content = write(samples(3, np.uint8), photometric="rgb")
    place = content.index(struct.pack("<HHI", 277, 3, 1))
    wide = content[:place] + struct.pack("<HHII", 277, 4, 1, 1 << 31) + content[place + 12 :]
    with no_more_memory_than(300), pytest.raises(LaaError, match="2147483648 samples per pixel is not supported"):
        decode_photo(wide)


def test_directories_that_go_round_are_one_page() -> None:
    content = write(samples(1, np.uint8))
    start = struct.unpack_from("<I", content, 4)[0]
    end = start + 2 + 12 * struct.unpack_from("<H", content, start)[0]
    looping = content[:end] + struct.pack("<I", start) + content[end + 4 :]
    np.testing.assert_array_equal(decode_photo(looping).pixels[:, :, 0], samples(1, np.uint8))


def test_a_tag_that_claims_the_whole_file_a_thousand_times_is_harmless() -> None:
    array = samples(1, np.uint8)
    tags = [(60000 + number, 7, 1 << 22, bytes(1 << 22), True) for number in range(1)]
    content = bytearray(write(array, extratags=tags))
    start = struct.unpack_from("<I", content, 4)[0]
    count = struct.unpack_from("<H", content, start)[0]
    entries = bytes(content[start + 2 : start + 2 + 12 * count])
    claim = entries[-12:]
    copies = b"".join(struct.pack("<H", 60000 + number) + claim[2:] for number in range(1000))
    content[4:8] = struct.pack("<I", len(content))
    content += struct.pack("<H", count + 1000) + entries + copies + bytes(4)
    with no_more_memory_than(300):
        np.testing.assert_array_equal(decode_photo(bytes(content)).pixels[:, :, 0], array)
