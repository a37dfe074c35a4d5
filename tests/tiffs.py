"""TIFFs to read: written by tifffile, or put together by hand."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tifffile
from fakes import CPU
from numpy.typing import NDArray
from PIL import Image

from laa_cli.utils.hardware import peak_rss_bytes, reset_peak_memory

Array = NDArray[Any]
HEIGHT, WIDTH = 37, 45


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


def photo_like() -> Array:
    return np.asarray(Image.fromarray(samples(3, np.uint8)[:6, :8]).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


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


def change(content: bytes, tag: int, value: int) -> bytes:
    """Replaces the value of a little-endian TIFF's tag, which has one number."""
    start = struct.unpack_from("<I", content, 4)[0]
    for place in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", content, start)[0], 12):
        if struct.unpack_from("<H", content, place)[0] == tag:
            kind = struct.unpack_from("<H", content, place + 2)[0]
            return content[: place + 8] + struct.pack("<H2x" if kind == 3 else "<I", value) + content[place + 12 :]
    raise AssertionError(f"no tag {tag}")
