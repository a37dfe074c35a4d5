"""Reads TIFF with tifffile and imagecodecs: what a file says of its pixels, and their samples. See `photometric` for colours.

tifffile gets a directory of nothing but the tags that say how the pixels are stored, each within bounds, and one strip or tile
after the other: whatever else a file holds or claims, no library but laa's metadata readers looks at it.
"""

from __future__ import annotations

import io
import math
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from tifffile import TIFF, TiffFile, TiffPage

from .jpeg import check_jpeg
from .tiff_directory import UnsupportedError, read_main_directory
from .tiff_layout import (
    BYTE_CODECS,
    CCITT,
    CFA,
    CIELAB,
    CMYK,
    COLOUR_SAMPLES,
    GREY,
    ICCLAB,
    JPEG,
    JPEG_PIXELS_PER_BYTE,
    LIBTIFF_CODECS,
    LINEAR_RAW,
    MAX_SAMPLES,
    OLD_JPEG,
    PALETTE,
    PICTURE_CODECS,
    RGB,
    UNCOMPRESSED,
    WEBP,
    YCBCR,
    read_layout,
)

SUBFILE, INK_SET, ICC, DNG_VERSION = 254, 332, 34675, 50706
COUNTED = {258, 273, 279, 324, 325, 338, 339}  # one number for each sample, strip or tile
STRUCTURE = COUNTED | {256, 257, 259, 262, 266, 277, 278, 284, 292, 293, 317, 320, 322, 323, 347, 530, 32997, 32998}
OLD_JPEG_TAGS = {512, 513, 514, 515, 519, 520, 521, 529, 532}  # and YCbCr's matrix
OTHERS = {SUBFILE, ICC, DNG_VERSION, INK_SET}
MAX_SEGMENTS = 1 << 18  # strips or tiles
SMALL_TILE_PX = 1 << 24  # a tile may be larger than its picture, up to this


class TiffPhoto:
    """The first page of a TIFF, its header read. ValueError and others where that is damaged."""

    def __init__(self, file: BinaryIO) -> None:
        self.directory = read_main_directory(file, STRUCTURE | OLD_JPEG_TAGS | OTHERS)
        if any(self.directory.tags[tag].count > MAX_SEGMENTS for tag in COUNTED & self.directory.tags.keys()):
            raise ValueError(f"it claims more than {MAX_SEGMENTS} strips")
        head = self.directory.head(start := 16 if self.directory.big else 8)
        self.page = first_page(head + self.directory.serialize(STRUCTURE | OLD_JPEG_TAGS, start))
        self.layout = read_layout(self.page)

    @property
    def raw(self) -> bool:
        """Whether it is a camera's raw file, or the thumbnail that one begins with."""
        reduced = self.directory.numbers(SUBFILE)[:1] == (1,)
        return reduced or DNG_VERSION in self.directory.tags or self.layout.photometric in (CFA, LINEAR_RAW)

    @property
    def icc(self) -> bytes | None:
        """The colour profile."""
        return self.directory.payload(ICC) or None

    @property
    def converted(self) -> bool:
        """Whether its colours are converted to sRGB, so that its own profile no longer holds."""
        return self.layout.photometric in (CMYK, CIELAB, ICCLAB)

    @property
    def subsampled(self) -> bool:
        """Whether its tags say that colours have fewer samples than brightness."""
        return self.layout.photometric == YCBCR and self.page.subsampling not in (None, (1, 1))

    @property
    def needs_libtiff(self) -> bool:
        """Whether it is of one of the old kinds that tifffile does not decode, and Pillow's libtiff does."""
        layout = self.layout
        jpeg = layout.compression == JPEG and layout.planar == 1
        ycbcr, lab = layout.photometric == YCBCR and not jpeg, layout.photometric == CIELAB and layout.compression == JPEG
        return layout.compression in LIBTIFF_CODECS or ycbcr or lab

    def unsupported(self) -> str | None:
        """Says what of an intact file laa does not support; None where there is nothing."""
        layout, bits, page = self.layout, f"{self.layout.bits} bits", self.page
        inks = self.directory.numbers(INK_SET) if layout.photometric == CMYK else ()
        whole_bytes = layout.bits in (8, 16)
        colours = layout.space
        reasons = {
            colours: layout.photometric not in COLOUR_SAMPLES or inks not in ((), (1,)),
            "signed numbers or fractions": not layout.unsigned,
            f"{bits if layout.bits else 'different numbers of bits'} per channel": not 1 <= layout.bits <= 16,
            f"{bits} in {colours}": not whole_bytes and layout.photometric in (CMYK, CIELAB, ICCLAB, YCBCR),
            f"compression {layout.compression}": not is_supported(layout.compression),
            f"predictor {layout.predictor}": layout.predictor not in (1, 2) or (layout.predictor == 2 and not whole_bytes),
            f"premultiplied alpha in {colours}": layout.premultiplied and layout.photometric not in (GREY, RGB),
            f"JPEG compression of {colours}": layout.compression == JPEG and layout.photometric in (PALETTE, ICCLAB),
            f"{layout.samples} samples per pixel": layout.samples > MAX_SAMPLES,
            "subsampled colours that are not compressed": self.subsampled and layout.compression == UNCOMPRESSED,
            "volumes": page.imagedepth != 1 or page.tiledepth != 1,
        }
        return next((reason for reason, holds in reasons.items() if holds), None)


def first_page(content: bytes) -> TiffPage:
    """Reads a TIFF's first page."""
    page = TiffFile(io.BytesIO(content)).pages[0]
    assert isinstance(page, TiffPage)
    return page


def is_supported(compression: int) -> bool:
    """Whether laa knows a compression, and tifffile with imagecodecs decodes it here."""
    known = BYTE_CODECS | CCITT | PICTURE_CODECS | {JPEG}
    return compression in LIBTIFF_CODECS | {UNCOMPRESSED} or (compression in known and compression in TIFF.DECOMPRESSORS)


def read_samples(tiff: TiffPhoto, content: bytes) -> NDArray[Any]:
    """Decodes the needed samples of a supported TIFF as they are stored: (h, w, needed) uint8 or uint16.

    ValueError and others where strips or tiles are damaged or missing; before any is decoded where one lies beyond the file.
    """
    layout, page = tiff.layout, tiff.page
    segments = segment_places(tiff, len(content))
    page.is_jfif = content[segments[0][0] + 6 :][:4] == b"JFIF"  # which tifffile would look up in the file
    samples = np.empty((layout.height, layout.width, layout.needed), np.uint8 if layout.bits <= 8 else np.uint16)
    planes, needed_planes = (layout.samples, layout.needed) if layout.planar == 2 else (1, 1)
    for index, (start, stop) in enumerate(segments[: len(segments) // planes * needed_planes]):
        data, (plane, _, top, left, _) = decode_segment(tiff, memoryview(content)[start:stop], index)
        target = samples[top : top + data.shape[0], left : left + data.shape[1], plane : plane + data.shape[2]]
        target[...] = data[: target.shape[0], : target.shape[1], : target.shape[2]]
    return samples


def segment_places(tiff: TiffPhoto, file_bytes: int) -> list[tuple[int, int]]:
    """Returns where each strip or tile begins and ends. ValueError where one is missing or lies beyond the file."""
    page, layout = tiff.page, tiff.layout
    count = math.prod(page.chunked)
    if page.is_tiled and page.tilewidth * page.tilelength > max(4 * layout.width * layout.height, SMALL_TILE_PX):
        raise ValueError(f"its tiles are {page.tilewidth}x{page.tilelength}")
    if count > MAX_SEGMENTS or not len(page.dataoffsets) == count:
        raise ValueError(f"it has {len(page.dataoffsets)} strips or tiles, and needs {count}")
    if layout.compression == UNCOMPRESSED:  # then sizes need not be right, and often are not
        places = [(start, start + stored_bytes(tiff, index)) for index, start in enumerate(page.dataoffsets)]
    else:
        places = [(start, start + size) for start, size in zip(page.dataoffsets, page.databytecounts, strict=True)]
    for number, (start, stop) in enumerate(places, 1):
        if start < 8 or stop <= start or stop > file_bytes:
            raise ValueError(f"strip or tile {number} of {count} is not in the file")
    return places


def stored_bytes(tiff: TiffPhoto, index: int) -> int:
    """Returns the size of a strip or tile that is not compressed, bytes."""
    _, _, (_, rows, columns, samples) = tiff.page.decode(None, index)
    return int(rows * math.ceil(columns * samples * tiff.layout.bits / 8))


def decode_segment(tiff: TiffPhoto, data: memoryview, index: int) -> tuple[NDArray[Any], tuple[int, ...]]:
    """Decodes a strip or tile: (rows, columns, samples), and its place: plane, depth, row, column, sample."""
    page, compression = tiff.page, tiff.layout.compression
    if compression == JPEG:
        check_jpeg(data, largest=page.tilewidth * page.tilelength if page.is_tiled else page.imagewidth * page.rowsperstrip)
    if compression not in PICTURE_CODECS:
        tables = {"jpegtables": page.jpegtables} if compression == JPEG else {}
        decoded, place, shape = page.decode(data, index, **tables)
        assert decoded is not None  # only of missing data
        return decoded.reshape(shape[1:]).astype(np.uint8 if tiff.layout.bits <= 8 else np.uint16, copy=False), place
    _, place, shape = page.decode(None, index)
    picture = np.empty(shape[1:] if shape[3] > 1 else shape[1:3], page.dtype)  # codecs refuse what does not fit it
    options = {"hasalpha": shape[3] == 4} if compression in WEBP else {}
    return TIFF.DECOMPRESSORS[compression](data, out=picture, **options).reshape(shape[1:]), place


def open_with_libtiff(tiff: TiffPhoto, content: bytes) -> Image.Image:
    """Opens a TIFF with Pillow, to be decoded by its libtiff, as it is stored.

    UnsupportedError where that has no such kind, ValueError where it cannot hold the pixels that it claims.
    """
    pixels, most = tiff.layout.width * tiff.layout.height, len(content) * JPEG_PIXELS_PER_BYTE
    if tiff.layout.compression in (OLD_JPEG, JPEG) and pixels > most:
        raise ValueError(f"{len(content)} bytes cannot hold {tiff.layout.width}x{tiff.layout.height} pixels")
    start = len(content) + len(content) % 2
    head = tiff.directory.head(start)
    directory = tiff.directory.serialize(STRUCTURE | OLD_JPEG_TAGS, start)
    try:
        return Image.open(
            io.BytesIO(head + content[len(head) :].ljust(start - len(head), b"\0") + directory), formats=("TIFF",)
        )
    except UnidentifiedImageError as error:
        raise UnsupportedError(f"{tiff.layout.bits} bits in {tiff.layout.space}") from error
