"""The TIFF matrix: intact TIFFs of every kind that tifffile writes, each with the pixels that it holds."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from .pictures import scene_samples

Samples = NDArray[Any]
KINDS = {"grey": 1, "grey alpha": 2, "rgb": 3, "rgba": 4, "cmyk": 4}
LAYOUTS: dict[str, dict[str, Any]] = {"strips": {"rowsperstrip": 7}, "one strip": {}, "tiles": {"tile": (16, 32)}}
COMPRESSIONS = ("none", "deflate", "lzw", "zstd", "lzma", "packbits")
PREDICTABLE = ("deflate", "lzw", "zstd", "lzma")
LOSSY = {"jpeg": 0.06}  # how far another decoder may be off
EXACT, ROUNDED, CONVERTED = 1e-9, 0.51 / 255, 0.02
HEIGHT, WIDTH = 34, 50


@dataclass(frozen=True)
class Variant:
    """A TIFF of the matrix. `options`: tifffile's; `tolerance`: how far its pixels may be off, as a share of white."""

    name: str
    kind: str
    dtype: str
    bits: int
    options: dict[str, Any] = field(hash=False)
    tolerance: float = EXACT
    orientation: int = 1
    unsupported: bool = False  # samples that no photo of laa's can hold: it must say so

    @property
    def channels(self) -> int:
        """Samples of a pixel."""
        return KINDS.get(self.kind.split(",")[0], 1) + self.kind.count("extra")

    def samples(self) -> Samples:
        """The samples as they are stored, (h, w, c)."""
        whole = scene_samples(self.channels, self.bits, HEIGHT, WIDTH)
        if self.kind == "rgba, premultiplied":
            whole[:, :, :3] = whole[:, :, :3] * whole[:, :, 3:] // (2**self.bits - 1)
        if self.dtype.startswith("f"):
            return (whole / (2**self.bits - 1)).astype(self.dtype)
        return (whole - (1 << self.bits - 1) if self.dtype.startswith("i") else whole).astype(self.dtype)

    def encode(self) -> bytes:
        """Writes it."""
        samples, options = self.samples(), dict(self.options)
        if options.get("planarconfig") == "separate":
            samples = samples.transpose(2, 0, 1)
        elif self.channels == 1:
            samples = samples[:, :, 0]
        if self.orientation != 1:
            options["extratags"] = [(274, 3, 1, self.orientation, True)]
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, samples, metadata=None, software=False, maxworkers=1, **options)
        return buffer.getvalue()

    def expected(self, content: bytes) -> list[NDArray[np.float64]]:
        """The pixels that may come out, (h, w, c) in [0, 1]: by tifffile, turned upright."""
        stored = tifffile.imread(io.BytesIO(content), maxworkers=1)
        if self.options.get("planarconfig") == "separate" and self.channels > 1:
            stored = stored.transpose(1, 2, 0)
        stored = stored.reshape(HEIGHT, WIDTH, -1)
        pixels = stored.astype(np.float64) / (1 if self.dtype.startswith("f") else 2**self.bits - 1)
        return [upright(choice, self.orientation) for choice in self.interpret(pixels, stored)]

    def interpret(self, pixels: NDArray[np.float64], stored: Samples) -> list[NDArray[np.float64]]:
        """Makes colours of the samples."""
        if self.kind == "palette":
            colours = palette(self.bits)[:, stored[:, :, 0]].transpose(1, 2, 0)
            return [colours / 65535, (colours >> 8) / 255]
        if self.kind == "white is zero":
            return [1 - pixels]
        if self.kind == "cmyk":
            return [(1 - pixels[:, :, :3]) * (1 - pixels[:, :, 3:])]
        if self.kind == "rgba, premultiplied":
            alpha = pixels[:, :, 3:]
            return [
                np.concatenate(
                    [np.divide(pixels[:, :, :3], alpha, out=np.zeros_like(pixels[:, :, :3]), where=alpha > 0), alpha], 2
                )
            ]
        if "extra" in self.kind:  # samples of unknown meaning: nothing, or alpha
            count = KINDS[self.kind.split(",")[0]]
            return [pixels[:, :, :count], pixels[:, :, : count + 1]]
        return [pixels]


def upright(pixels: NDArray[np.float64], orientation: int) -> NDArray[np.float64]:
    """Turns stored pixels as EXIF's orientation says."""
    turned = {2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1], 4: lambda p: p[::-1], 5: lambda p: p.transpose(1, 0, 2)}
    turned |= {6: lambda p: p[::-1].transpose(1, 0, 2), 7: lambda p: p[::-1, ::-1].transpose(1, 0, 2)}
    turned[8] = lambda p: p[:, ::-1].transpose(1, 0, 2)
    return turned.get(orientation, lambda p: p)(pixels)


def palette(bits: int) -> NDArray[np.uint16]:
    """A palette, (3, 2^bits)."""
    return np.random.default_rng(bits).integers(0, 256, (3, 1 << bits), np.uint16) * np.uint16(257)


@cache
def matrix() -> list[Variant]:
    """All variants that tifffile can write here."""
    return [
        variant
        for variant in (*combinations(), *orders(), *orientations(), *depths(), *colours(), *codecs())
        if writable(variant)
    ]


def writable(variant: Variant) -> bool:
    """Whether tifffile and its codecs write it."""
    try:
        return bool(variant.encode())
    except (ValueError, TypeError, NotImplementedError, RuntimeError, KeyError, ImportError):
        return False


def colour_options(kind: str) -> dict[str, Any]:
    """tifffile's options for a kind of pixels."""
    photometric = {"grey": "minisblack", "grey alpha": "minisblack", "cmyk": "separated", "rgb": "rgb", "rgba": "rgb"}
    alpha: dict[str, Any] = {"extrasamples": ["unassalpha"]} if "alpha" in kind or kind == "rgba" else {}
    return {"photometric": photometric[kind], "planarconfig": "contig"} | alpha


def combinations() -> Iterator[Variant]:
    """Pixels by depth by plane by layout by compression; byte orders and BigTIFF in turn."""
    parts = product(KINDS, (8, 16), ("contig", "separate"), LAYOUTS, COMPRESSIONS, (False, True))
    for number, (kind, bits, planes, layout, compression, predicted) in enumerate(parts):
        if (planes == "separate" and KINDS[kind] == 1) or (predicted and compression not in PREDICTABLE):
            continue
        options = colour_options(kind) | LAYOUTS[layout] | {"planarconfig": planes}
        options |= {"byteorder": "<>"[number // 3 % 2], "bigtiff": number % 5 == 0}
        if compression != "none":
            options |= {"compression": compression, "predictor": predicted}
        name = f"{kind} {bits} bits {planes} {layout} {compression}{' predictor' * predicted}{options['byteorder']}"
        name += " big" * options["bigtiff"]
        yield Variant(name, kind, f"u{bits // 8}", bits, options, CONVERTED if kind == "cmyk" else EXACT)


def orders() -> Iterator[Variant]:
    """Both byte orders, classic and big, of 16-bit samples in both planes."""
    for kind, planes, layout, order, big in product(("rgb", "rgba"), ("contig", "separate"), LAYOUTS, "<>", (False, True)):
        options = colour_options(kind) | LAYOUTS[layout] | {"planarconfig": planes, "byteorder": order, "bigtiff": big}
        yield Variant(f"{kind} 16 bits {planes} {layout} {order}{' big' * big} order", kind, "u2", 16, options)


def orientations() -> Iterator[Variant]:
    """All eight orientations."""
    for orientation, (kind, bits) in product(range(1, 9), (("rgb", 8), ("rgb", 16), ("grey", 8), ("grey", 16), ("rgba", 8))):
        options = colour_options(kind) | {"compression": "lzw" if orientation % 2 else None}
        yield Variant(f"{kind} {bits} bits orientation {orientation}", kind, f"u{bits // 8}", bits, options, EXACT, orientation)


def depths() -> Iterator[Variant]:
    """1 to 64 bits: packed, signed, fractions."""
    for bits, kind, order in product((1, 2, 4, 6, 10, 12, 14), ("grey", "rgb"), "<>"):
        options = colour_options(kind) | {"bitspersample": bits, "byteorder": order}
        if bits == 1 and kind == "grey":
            options |= {"compression": {"<": "packbits"}.get(order)}
        dtype = "u1" if bits <= 8 else "u2"
        yield Variant(f"{kind} {bits} bits {order}", kind, dtype, bits, options, EXACT if 8 % bits == 0 else ROUNDED)
    for dtype, kind in product(("i1", "i2", "u4", "i4", "f2", "f4", "f8", "u8", "i8"), ("grey", "rgb")):
        bits = min(16, 8 * int(dtype[1])) if dtype[0] != "f" else 16
        yield Variant(f"{kind} {dtype}", kind, dtype, bits, colour_options(kind), unsupported=True)
    for predictor, kind in product((2, 3), ("grey", "rgb")):
        options = colour_options(kind) | {"compression": "deflate", "predictor": predictor}
        yield Variant(f"{kind} f4 predictor {predictor}", kind, "f4", 16, options, unsupported=True)


def colours() -> Iterator[Variant]:
    """Palettes, white as zero, premultiplied alpha, samples of unknown meaning."""
    options: dict[str, Any]
    for bits, compression in product((1, 2, 4, 8), (None, "lzw")):
        options = {"photometric": "palette", "colormap": palette(bits), "compression": compression, "bitspersample": bits}
        yield Variant(f"palette {bits} bits {compression}", "palette", "u1", bits, options)
    for bits, compression in product((1, 4, 8, 16), (None, "deflate")):
        options = {"photometric": "miniswhite", "compression": compression, "bitspersample": bits}
        yield Variant(f"white is zero {bits} bits {compression}", "white is zero", "u1" if bits <= 8 else "u2", bits, options)
    for bits, planes, compression in product((8, 16), ("contig", "separate"), (None, "deflate")):
        options = {"photometric": "rgb", "extrasamples": ["assocalpha"], "planarconfig": planes, "compression": compression}
        name = f"rgba {bits} bits premultiplied {planes} {compression}"
        yield Variant(name, "rgba, premultiplied", f"u{bits // 8}", bits, options, CONVERTED)
    for bits, planes, kind in product((8, 16), ("contig", "separate"), ("grey, extra", "rgb, extra", "rgb, extra, extra")):
        count = kind.count("extra")
        options = colour_options(kind.split(",")[0]) | {"extrasamples": ["unspecified"] * count, "planarconfig": planes}
        yield Variant(f"{kind} {bits} bits {planes}", kind, f"u{bits // 8}", bits, options)


def codecs() -> Iterator[Variant]:
    """Pictures' own codecs inside of TIFF."""
    for codec, kind, layout, bits in product(
        ("jpeg", "webp", "png", "jpeg2000", "jpegxl", "lerc"), ("grey", "rgb", "rgba"), ("one strip", "tiles"), (8, 16)
    ):
        arguments = {"lossless": True} if codec in ("webp", "jpegxl") else {}
        options = colour_options(kind) | LAYOUTS[layout] | {"compression": codec, "compressionargs": arguments}
        yield Variant(f"{kind} {bits} bits {layout} {codec}", kind, f"u{bits // 8}", bits, options, LOSSY.get(codec, EXACT))
