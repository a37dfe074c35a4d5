"""Intact photos of every format that laa reads, small, with a real face or without one: the seeds of mutations."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import PngImagePlugin

from . import png
from .bmp import bmp_16bit, bmp_rle, bmp_top_down
from .pictures import IPTC, SECRET, SRGB, XMP, exif_block, face, pillow, scene, scene_samples, tiff, with_segment
from .pixels import Shares

ARITHMETIC_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/"
    "yQALCAAYACABAREA/8wABgAQEAX/2gAIAQEAAD8A0dlfbHMsDG0AM3cS2hnzAybHoCHjiasUtt18Y7kJuIlaQbdxZz3m6Ju3vli51q1bvzc+ZhAezlawjGli"
    "lIdhLzAZkxFHfCQorHrnIyBep6KR94fxXuaZTkpx8bGt1Ul+4oVjw131mnraJRgcWl7yszcZi2a4ocjzLvqTFLRR1JligP/Z"
)


@dataclass(frozen=True)
class Seed:
    """A kind of photo."""

    name: str
    suffix: str
    make: Callable[[], bytes]
    refused: bool = False  # laa says that it does not read such photos
    pixels: Callable[[], Shares] | None = None  # what it shows, where Pillow cannot tell: (h, w, c) in [0, 1]

    @property
    def content(self) -> bytes:
        """The file's content."""
        return made(self)


@cache
def made(seed: Seed) -> bytes:
    """Makes a seed's content once."""
    return seed.make()


def png_palette(bits: int) -> NDArray[np.uint8]:
    """A palette, (2^bits, 3)."""
    return np.random.default_rng(1).integers(0, 256, (1 << bits, 3), np.uint8)


def png_pixels(colour: int, bits: int) -> Shares:
    """What `png_of` shows."""
    samples = scene_samples(png.CHANNELS[colour], bits)
    return png_palette(bits)[samples[:, :, 0]] / 255 if colour == png.PALETTE else samples / (2**bits - 1)


def transparent_grey() -> Shares:
    """What a 16-bit grey PNG shows whose first level is transparent."""
    samples = scene_samples(1, 16)
    return np.concatenate([samples / 65535, samples != samples[0, 0]], 2)


def png_of(colour: int, bits: int, *, interlaced: bool, before: png.Chunks = (), after: png.Chunks = ()) -> bytes:
    """Makes a PNG of the scene."""
    samples = scene_samples(png.CHANNELS[colour], bits)
    palette = (
        [(b"PLTE", np.random.default_rng(1).integers(0, 256, 3 << bits, np.uint8).tobytes())] if colour == png.PALETTE else []
    )
    return png.encode(samples, colour, bits, interlaced=interlaced, before=[*before, *palette], after=after)


def tiff_tiles() -> bytes:
    """A TIFF of tiles."""
    return tiff(scene_samples(4, 16).astype(np.uint16), photometric="rgb", tile=(16, 16), compression="zlib")


def tiff_planar() -> bytes:
    """A TIFF of planes."""
    planes = scene_samples(3, 16).astype(np.uint16).transpose(2, 0, 1)
    return tiff(planes, photometric="rgb", planarconfig="separate", byteorder=">")


def webp_animated() -> bytes:
    """A WebP of two frames."""
    return pillow(scene(), "WEBP", save_all=True, append_images=[face().resize(scene().size)])


def jpeg_seeds() -> list[Seed]:
    """JPEGs of every kind, with all metadata."""
    kinds: dict[str, Callable[[], bytes]] = {
        "baseline": lambda: pillow(face(), "JPEG", quality=90),
        "progressive": lambda: pillow(face(), "JPEG", progressive=True, quality=80),
        "444": lambda: pillow(scene(), "JPEG", subsampling=0, quality=95),
        "restart": lambda: pillow(scene(), "JPEG", restart_marker_blocks=2),
        "grey": lambda: pillow(face(), "JPEG", "L"),
        "cmyk": lambda: pillow(scene(), "JPEG", "CMYK"),
        "exif": lambda: pillow(face(), "JPEG", exif=exif_block(6), dpi=(300, 300), comment=SECRET),
        "metadata": lambda: with_segment(pillow(face(), "JPEG", icc_profile=SRGB, xmp=XMP, exif=exif_block()), 0xED, IPTC),
        "mpo": lambda: pillow(face(), "MPO", save_all=True, append_images=[scene()]),
        "arithmetic": lambda: ARITHMETIC_JPEG,
    }
    kinds |= {f"orientation {n}": lambda n=n: pillow(scene(), "JPEG", exif=exif_block(n)) for n in range(2, 9)}
    return [Seed(f"jpeg {name}", ".jpg", make) for name, make in kinds.items()]


def png_seeds() -> list[Seed]:
    """PNGs of all colour types, bits and ancillary chunks."""
    seeds = []
    for colour, bits in png.KINDS:
        for interlaced in (False, True):
            name = f"png type {colour}, {bits} bits{', interlaced' * interlaced}"
            seeds.append(
                Seed(
                    name,
                    ".png",
                    lambda c=colour, b=bits, i=interlaced: png_of(c, b, interlaced=i),
                    pixels=lambda c=colour, b=bits: png_pixels(c, b),
                )
            )
    for name, chunks in png.COLOUR_CHUNKS.items():
        seeds.append(Seed(f"png {name}", ".png", lambda c=chunks: png_of(png.RGB, 8, interlaced=False, before=c)))
    ancillary: png.Chunks = [
        *((b"sBIT", b"\x05\x06\x05"), (b"pHYs", struct.pack(">IIB", 2835, 2835, 1)), (b"tIME", b"\x07\xe4\1\2\3\4\5")),
        *((b"tEXt", b"Title\0" + SECRET), (b"zTXt", b"Comment\0\0" + b"x\x9c\x03\0\0\0\0\1"), (b"bKGD", b"\0\1\0\2\0\3")),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
    ]
    seeds.append(
        Seed("png ancillary", ".png", lambda: png_of(png.RGB, 8, interlaced=False, before=ancillary, after=ancillary[3:5]))
    )
    transparent = [(b"tRNS", scene_samples(1, 16)[0, 0].astype(">u2").tobytes())]
    seeds.append(
        Seed(
            "png grey tRNS", ".png", lambda: png_of(png.GREY, 16, interlaced=False, before=transparent), pixels=transparent_grey
        )
    )
    seeds.append(Seed("png face", ".png", lambda: pillow(face(), "PNG", exif=exif_block(), icc_profile=SRGB, pnginfo=note())))
    return seeds


def note() -> PngImagePlugin.PngInfo:
    """PNG text of all three kinds."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", SECRET.decode())
    info.add_text("Comment", SECRET.decode() * 40, zip=True)
    info.add_itxt("Description", SECRET.decode(), "de")
    return info


def turned_seed(kind: str, orientation: int) -> Seed:
    """A photo that is stored turned."""
    return Seed(
        f"{kind} orientation {orientation}", f".{kind}", lambda: pillow(scene(), kind.upper(), exif=exif_block(orientation))
    )


def other_seeds() -> list[Seed]:
    """WebP, BMP, AVIF, GIF, and a few TIFFs (the others are in `tiff_matrix`)."""
    return [
        *(turned_seed(*turn) for turn in (("webp", 3), ("webp", 5), ("avif", 2), ("avif", 7), ("png", 6), ("png", 8))),
        Seed("webp lossy", ".webp", lambda: pillow(face(), "WEBP", quality=80)),
        Seed("webp lossless", ".webp", lambda: pillow(scene(), "WEBP", lossless=True)),
        Seed("webp alpha", ".webp", lambda: pillow(face(), "WEBP", "RGBA", quality=80)),
        Seed("webp metadata", ".webp", lambda: pillow(face(), "WEBP", exif=exif_block(8), xmp=XMP, icc_profile=SRGB)),
        Seed("webp animated", ".webp", webp_animated, refused=True),
        *(Seed(f"bmp {mode}", ".bmp", lambda m=mode: pillow(scene(), "BMP", m)) for mode in ("1", "L", "P", "RGB")),
        Seed("bmp alpha", ".bmp", lambda: pillow(face(), "BMP", "RGBA")),
        *(Seed(f"bmp {make.__name__}", ".bmp", make) for make in (bmp_16bit, bmp_rle, bmp_top_down)),
        Seed("avif", ".avif", lambda: pillow(face(), "AVIF", quality=80, speed=10, max_threads=1)),
        Seed("avif grey", ".avif", lambda: pillow(scene(), "AVIF", "L", quality=80, speed=10, max_threads=1)),
        Seed("avif metadata", ".avif", lambda: pillow(face(), "AVIF", "RGBA", exif=exif_block(3), xmp=XMP, max_threads=1)),
        Seed("gif", ".gif", lambda: pillow(scene(), "GIF", "P")),
        Seed("gif transparent", ".gif", lambda: pillow(scene(), "GIF", "P", transparency=3)),
        Seed("gif animated", ".gif", lambda: pillow(scene(), "GIF", "P", save_all=True, append_images=[face()]), refused=True),
        Seed("tiff", ".tif", lambda: tiff(np.asarray(face()), photometric="rgb")),
        Seed("tiff exif", ".tif", lambda: pillow(face(), "TIFF", exif=exif_block(5).tobytes())),
        Seed("tiff jpeg", ".tif", lambda: pillow(face(), "TIFF", compression="jpeg")),
        Seed("tiff fax", ".tif", lambda: pillow(scene(), "TIFF", "1", compression="group4")),
        Seed("tiff tiles", ".tif", tiff_tiles, pixels=lambda: scene_samples(4, 16) / 65535),
        Seed("tiff planar", ".tiff", tiff_planar, pixels=lambda: scene_samples(3, 16) / 65535),
        Seed("tiff pages", ".tif", lambda: pillow(face(), "TIFF", save_all=True, append_images=[scene()]), refused=True),
    ]  # fmt: skip


@cache
def all_seeds() -> list[Seed]:
    """All kinds of photos."""
    return [*jpeg_seeds(), *png_seeds(), *other_seeds()]
