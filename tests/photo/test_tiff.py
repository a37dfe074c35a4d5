"""TIFF: a matrix of kinds, each exact or refused as not supported; hostile files are refused within bounds."""

from __future__ import annotations

import io
import itertools
import logging
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from fakes import CPU, decode_photo, encode_image
from numpy.typing import NDArray
from PIL import Image

from laa_cli.errors import LaaError
from laa_cli.photo.pixels import apply_orientation
from laa_cli.utils.hardware import peak_rss_bytes, reset_peak_memory

Array = NDArray[Any]
HEIGHT, WIDTH = 37, 45
CODECS = [None, "lzw", "deflate", "packbits", "zstd", "lzma"]
PICTURE_CODECS = {"webp": {"lossless": True}, "jpeg2000": {}, "png": {}, "jpegxl": {"lossless": True}, "jpegxr": {}, "lerc": {}}
LAYOUTS: list[dict[str, Any]] = [{"rowsperstrip": 7}, {"tile": (16, 32)}]


def samples(count: int, dtype: type, top: int | None = None) -> Array:
    """Noise, (h, w) or (h, w, count)."""
    shape = (HEIGHT, WIDTH, count) if count > 1 else (HEIGHT, WIDTH)
    return np.random.default_rng(count).integers(0, (top or np.iinfo(dtype).max) + 1, shape, dtype)


def write(array: Array, **options: Any) -> bytes:
    """A TIFF with these samples, (h, w) or (h, w, c)."""
    file = io.BytesIO()
    planar = options.get("planarconfig") == "separate"
    tifffile.imwrite(file, np.moveaxis(array, 2, 0) if planar else array, metadata=None, software=False, **options)
    return file.getvalue()


@contextmanager
def no_more_memory_than(megabytes: int) -> Iterator[None]:
    """Checks how much the process's peak memory grows; where the system does not tell, nothing."""
    reset_peak_memory(CPU)
    before = peak_rss_bytes() or 0
    yield
    assert (peak_rss_bytes() or 0) - before < megabytes * 10**6


def channels(array: Array) -> Array:
    return array if array.ndim == 3 else array[:, :, None]


def cmyk_to_rgb(array: Array) -> Array:
    upper = array if array.dtype == np.uint8 else (array >> 8).astype(np.uint8)
    return np.asarray(Image.fromarray(upper[..., :4], "CMYK").convert("RGB"))


KINDS: dict[str, tuple[int, dict[str, Any], Callable[[Array], Array]]] = {
    "grey": (1, {"photometric": "minisblack"}, channels),
    "inverted grey": (1, {"photometric": "miniswhite"}, lambda array: channels(np.iinfo(array.dtype).max - array)),
    "grey and alpha": (2, {"photometric": "minisblack", "extrasamples": ["unassalpha"]}, channels),
    "rgb": (3, {"photometric": "rgb"}, channels),
    "rgba": (4, {"photometric": "rgb", "extrasamples": ["unassalpha"]}, channels),
    "rgb and a mask": (4, {"photometric": "rgb", "extrasamples": ["unspecified"]}, lambda array: array[..., :3]),
    "rgba and a mask": (5, {"photometric": "rgb", "extrasamples": ["unassalpha", "unspecified"]}, lambda array: array[..., :4]),
    "cmyk": (4, {"photometric": "separated"}, cmyk_to_rgb),
}


def matrix() -> Iterator[Any]:
    axes = (KINDS, (np.uint8, np.uint16), CODECS, LAYOUTS, ("contig", "separate"), "<>")
    for number, (kind, dtype, codec, layout, planar, order) in enumerate(itertools.product(*axes)):
        count = KINDS[kind][0]
        if planar == "separate" and count == 1:
            continue
        options = KINDS[kind][1] | layout | {"byteorder": order, "compression": codec, "bigtiff": number % 3 == 0}
        options |= {"planarconfig": planar} if count > 1 else {}
        options |= {"predictor": True} if codec not in (None, "packbits") and number % 2 else {}
        name = f"{kind} {np.iinfo(dtype).bits} {codec} {next(iter(layout))} {planar} {order}"
        yield pytest.param(kind, dtype, options, id=name.replace(" ", "-"))


@pytest.mark.parametrize(("kind", "dtype", "options"), list(matrix()))
def test_the_matrix_is_exact(kind: str, dtype: type, options: dict[str, Any]) -> None:
    count, _, expected = KINDS[kind]
    array = samples(count, dtype)
    pixels = decode_photo(write(array, **options)).pixels
    assert pixels.dtype == (np.uint8 if kind == "cmyk" else dtype)
    np.testing.assert_array_equal(pixels, expected(array))


def pack(array: Array, bits: int) -> bytes:
    """A strip of samples of that many bits, the rows padded to whole bytes."""
    planes = (array[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(planes.reshape(len(array), -1).astype(np.uint8), axis=1).tobytes()


def packed(array: Array, bits: int, **options: Any) -> bytes:
    """A TIFF of such samples, whose strip tifffile would get wrong in some cases."""
    content = write(array.astype(bool) if bits == 1 else array, bitspersample=bits, **options)
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        start = file.pages[0].dataoffsets[0]
    return content[:start] + pack(array, bits)


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 14])
@pytest.mark.parametrize("kind", ["grey", "inverted grey", "rgb"])
@pytest.mark.parametrize("order", "<>")
def test_other_numbers_of_bits_fill_their_range(bits: int, kind: str, order: str) -> None:
    dtype, top = (np.uint8 if bits <= 8 else np.uint16), (1 << bits) - 1
    array = samples(KINDS[kind][0], dtype, top)
    full = np.iinfo(dtype).max
    expected = channels(np.rint(array * (full / top)).astype(dtype))
    pixels = decode_photo(packed(array, bits, byteorder=order, **KINDS[kind][1])).pixels
    np.testing.assert_array_equal(pixels, full - expected if kind == "inverted grey" else expected)


@pytest.mark.parametrize("codec", PICTURE_CODECS)
@pytest.mark.parametrize("kind", ["grey", "rgb", "rgba"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("layout", LAYOUTS, ids=["strips", "tiles"])
def test_pictures_as_strips_and_tiles(codec: str, kind: str, dtype: type, layout: dict[str, Any]) -> None:
    array = samples(KINDS[kind][0], dtype)
    try:
        content = write(array, compression=codec, compressionargs=PICTURE_CODECS[codec], **layout, **KINDS[kind][1])
    except (ValueError, RuntimeError):  # the codec has no such pictures
        assert codec in ("webp", "jpegxr")
        return
    np.testing.assert_array_equal(decode_photo(content).pixels, channels(array))


def test_palettes_give_the_colours_of_their_table() -> None:
    colormap = samples(3, np.uint16).reshape(-1)[: 3 * 256].reshape(3, 256)
    index = samples(1, np.uint8)
    pixels = decode_photo(write(index, photometric="palette", colormap=colormap)).pixels
    np.testing.assert_array_equal(pixels, (colormap.T // 256).astype(np.uint8)[index])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("count", [2, 4])
def test_premultiplied_alpha_is_undone(dtype: type, count: int) -> None:
    top = np.iinfo(dtype).max
    array = np.full((3, 4, count), top // 4, dtype)
    array[..., -1] = top // 2
    photometric = "rgb" if count == 4 else "minisblack"
    pixels = decode_photo(write(array, photometric=photometric, extrasamples=["assocalpha"])).pixels
    assert abs(int(pixels[0, 0, 0]) - top // 2) <= top // 100
    assert pixels[0, 0, -1] == top // 2


@pytest.mark.parametrize(("photometric", "neutral"), [("cielab", 0), ("icclab", 128)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lab_becomes_srgb(photometric: str, neutral: int, dtype: type) -> None:
    array = np.zeros((4, 5, 3), np.uint8)
    array[...] = 128, neutral, neutral
    array = array if dtype == np.uint8 else array.astype(np.uint16) * 257
    pixels = decode_photo(write(array, photometric=photometric)).pixels
    assert pixels.shape == (4, 5, 3)
    assert np.ptp(pixels) <= 3
    assert abs(int(pixels.mean()) - 119) <= 3  # L* = 50


def photo_like() -> Array:
    return np.asarray(Image.fromarray(samples(3, np.uint8)[:6, :8]).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("subsampling", [None, (1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("layout", [{"rowsperstrip": 16}, {"tile": (16, 32)}], ids=["strips", "tiles"])
def test_jpeg_in_tiff(subsampling: tuple[int, int] | None, layout: dict[str, Any]) -> None:
    array = photo_like()
    ycbcr = np.asarray(Image.fromarray(array).convert("YCbCr"))
    options = {"photometric": "ycbcr", "subsampling": subsampling} if subsampling else {"photometric": "rgb"}
    pixels = decode_photo(write(ycbcr if subsampling else array, compression="jpeg", **options, **layout)).pixels
    assert np.abs(pixels.astype(int) - array).mean() < 10  # other colours would be off by 80


def tiff_of(tags: dict[int, tuple[int, list[int]]], data: bytes) -> bytes:
    """A little-endian TIFF with these tags, {tag: (kind, numbers)}, of which those of kind 0 are offsets into the data."""
    start = 8 + 2 + 12 * len(tags) + 4
    area, table = b"", struct.pack("<H", len(tags))
    length = sum(2 * len(numbers) for kind, numbers in tags.values() if kind == 3 and len(numbers) > 2)
    for tag, (kind, numbers) in sorted(tags.items()):
        values = [start + length + number for number in numbers] if kind == 0 else numbers
        payload = b"".join(struct.pack("<H" if kind == 3 else "<I", value) for value in values)
        table += struct.pack("<HHI", tag, kind or 4, len(values))
        table += payload.ljust(4, b"\0") if len(payload) <= 4 else struct.pack("<I", start + len(area))
        area += payload if len(payload) > 4 else b""
    return b"II*\0" + struct.pack("<I", 8) + table + bytes(4) + area + data


@pytest.mark.parametrize(("compression", "encode"), [(5, imagecodecs.lzw_encode), (8, imagecodecs.zlib_encode)])
def test_subsampled_ycbcr_without_jpeg(compression: int, encode: Callable[[bytes], bytes]) -> None:
    blocks = np.full((18, 22, 6), 128, np.uint8)  # four Y, Cb, Cr
    blocks[..., :4] = 77
    tags = {256: (4, [44]), 257: (4, [36]), 258: (3, [8, 8, 8]), 259: (3, [compression]), 262: (3, [6]), 273: (0, [0])}
    tags |= {277: (3, [3]), 278: (4, [36]), 530: (3, [2, 2])}
    stored = encode(blocks.tobytes())
    pixels = decode_photo(tiff_of(tags | {279: (4, [len(stored)])}, stored)).pixels
    np.testing.assert_array_equal(pixels, np.full((36, 44, 3), 77))
    plain = tags | {259: (3, [1]), 279: (4, [blocks.size])}
    with pytest.raises(LaaError, match="subsampled colours that are not compressed is not supported"):
        decode_photo(tiff_of(plain, blocks.tobytes()))


def test_old_style_jpeg() -> None:
    image = Image.fromarray(photo_like())
    stream = encode_image(image, "JPEG", quality=95, subsampling=0)
    tags = {256: (4, [WIDTH]), 257: (4, [HEIGHT]), 258: (3, [8, 8, 8]), 259: (3, [6]), 262: (3, [6]), 273: (0, [0])}
    tags |= {
        277: (3, [3]),
        278: (4, [HEIGHT]),
        279: (4, [len(stream)]),
        513: (0, [0]),
        514: (4, [len(stream)]),
        530: (3, [1, 1]),
    }
    pixels = decode_photo(tiff_of(tags, stream)).pixels
    assert np.abs(pixels.astype(int) - np.asarray(image)).mean() < 6


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "YCbCr", "LAB"])
@pytest.mark.parametrize("codec", [None, "jpeg", "tiff_lzw", "packbits", "tiff_adobe_deflate"])
def test_what_pillow_writes(mode: str, codec: str | None) -> None:
    image = Image.fromarray(photo_like()).convert("L" if mode == "L" else "RGB")
    expected = np.asarray(image).reshape(HEIGHT, WIDTH, -1)
    if mode == "LAB":
        image = Image.new("LAB", (WIDTH, HEIGHT), (128, 128, 128))
        expected = np.full((HEIGHT, WIDTH, 3), 119)
    elif mode != "L":
        image = image.convert(mode)
    pixels = decode_photo(encode_image(image, "TIFF", **({"compression": codec} if codec else {}))).pixels
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected).mean() < 6


@pytest.mark.parametrize("codec", ["group3", "group4", "tiff_ccitt", "packbits"])
@pytest.mark.parametrize("fill_order", [1, 2])
def test_fax(codec: str, fill_order: int) -> None:
    image = Image.fromarray(samples(1, np.uint8) > 200)
    content = encode_image(image, "TIFF", compression=codec, tiffinfo={266: fill_order})
    np.testing.assert_array_equal(decode_photo(content).pixels[:, :, 0], np.asarray(image) * 255)


def test_fill_order_without_compression() -> None:
    array = samples(1, np.uint8)
    content = encode_image(Image.fromarray(array), "TIFF", tiffinfo={266: 2})
    reverse = np.packbits(np.unpackbits(array[..., None], axis=2), axis=2, bitorder="little")[..., 0]
    np.testing.assert_array_equal(decode_photo(content).pixels[:, :, 0], reverse)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("codec", [None, "lzw"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_each_orientation_is_applied_once(orientation: int, codec: str | None, bigtiff: bool) -> None:
    array = samples(3, np.uint8)
    content = write(array, photometric="rgb", compression=codec, bigtiff=bigtiff, extratags=[(274, 3, 1, orientation, True)])
    np.testing.assert_array_equal(decode_photo(content).pixels, apply_orientation(array, orientation))


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "int32", "float16", "float32", "float64", "complex64", "uint64"])
@pytest.mark.parametrize("count", [1, 3])
def test_numbers_that_are_no_colours_are_not_supported(dtype: str, count: int) -> None:
    array = np.ones((9, 9, count) if count > 1 else (9, 9), dtype)
    with pytest.raises(LaaError, match="not supported: save it as grey or RGB with 8 or 16 bits"):
        decode_photo(write(array, photometric="rgb" if count == 3 else "minisblack"))


def change(content: bytes, tag: int, value: int) -> bytes:
    """Replaces the value of a little-endian TIFF's tag, which has one number."""
    start = struct.unpack_from("<I", content, 4)[0]
    for place in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", content, start)[0], 12):
        if struct.unpack_from("<H", content, place)[0] == tag:
            kind = struct.unpack_from("<H", content, place + 2)[0]
            return content[: place + 8] + struct.pack("<H2x" if kind == 3 else "<I", value) + content[place + 12 :]
    raise AssertionError(f"no tag {tag}")


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
