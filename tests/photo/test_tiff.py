"""TIFF: a matrix of kinds, each exact."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import imagecodecs
import numpy as np
import pytest
from fakes import ROOT, decode_photo, encode_image
from PIL import Image
from tiffs import HEIGHT, WIDTH, Array, channels, photo_like, samples, tiff_of, write

from laa_cli.errors import LaaError
from laa_cli.photo.pixels import apply_orientation

CODECS = [None, "lzw", "deflate", "packbits", "zstd", "lzma"]
PICTURE_CODECS = {"webp": {"lossless": True}, "jpeg2000": {}, "png": {}, "jpegxl": {"lossless": True}, "jpegxr": {}, "lerc": {}}
LAYOUTS: list[dict[str, Any]] = [{"rowsperstrip": 7}, {"tile": (16, 32)}]


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


@pytest.mark.parametrize("subsampling", [None, (1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("layout", [{"rowsperstrip": 16}, {"tile": (16, 32)}], ids=["strips", "tiles"])
def test_jpeg_in_tiff(subsampling: tuple[int, int] | None, layout: dict[str, Any]) -> None:
    array = photo_like()
    ycbcr = np.asarray(Image.fromarray(array).convert("YCbCr"))
    options = {"photometric": "ycbcr", "subsampling": subsampling} if subsampling else {"photometric": "rgb"}
    pixels = decode_photo(write(ycbcr if subsampling else array, compression="jpeg", **options, **layout)).pixels
    assert np.abs(pixels.astype(int) - array).mean() < 10  # other colours would be off by 80


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
    with pytest.raises(LaaError, match="cannot hold 30000x20000 pixels"):
        decode_photo(tiff_of(tags | {256: (4, [30000]), 257: (4, [20000]), 278: (4, [20000])}, stream), 10**9)


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


def test_its_libraries_are_imported_for_tiff_only() -> None:
    sample = ROOT / "docs" / "astronaut.jpg"
    code = "import sys, pathlib, laa_cli.photo as photo\nphoto.read_photo(pathlib.Path(sys.argv[1]), max_pixels=None)\n"
    command = [sys.executable, "-W", "error", "-c", code + "print({'tifffile', 'imagecodecs'} & set(sys.modules))", str(sample)]
    assert subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout == "set()\n"
