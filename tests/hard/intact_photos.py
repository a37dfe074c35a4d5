"""Cases of intact photos: the TIFF matrix and all formats, at scale 1 without faces, where pixels stay as they are."""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from . import pixels, png
from .case import Case
from .photos import Seed, all_seeds
from .pictures import SECRET
from .pixels import Shares
from .tiff_matrix import Variant, matrix

AS_THEY_ARE = ("-s", "1", "--min-face", "500")  # no face of 500 px is in a small photo: it is not even looked for
SAYS_DAMAGED = re.compile(r"truncated|damaged|corrupt|cannot be decoded|broken")
SAYS_UNSUPPORTED = re.compile(r"not supported|unsupported|laa does not (open|read)")
PNG_NAME = ".jfif"  # content decides on reading; for such names laa writes a PNG
DECODERS_DIFFER = 3.1 / 255  # of lossy photos


def stripped_photos(case: Case) -> None:
    """Photos with metadata, which is to be left out, to another format at times."""
    seeds = [seed for seed in all_seeds() if SECRET in seed.content and not seed.refused]
    sources = {}
    suffix = case.random.choice((PNG_NAME, ".jpg", ".png", ".webp", ".tif", ".avif"))
    for number, seed in enumerate(seeds):
        path = case.sandbox.write(f"p{number}{suffix}", seed.content)
        sources[path] = case.sandbox.out / f"p{number}_x1{'.png' if suffix == PNG_NAME else suffix}"
    case.files += len(sources)
    case.run("upscale", *sources, "-o", "out", *AS_THEY_ARE, "--strip-metadata", outputs=[case.sandbox.out], photos=sources)
    for result, seed in zip(sources.values(), seeds, strict=True):
        if result.exists() and SECRET in unpacked(result.read_bytes()):
            case.fault("left metadata", f"{seed.name} to {result.suffix}")


def unpacked(content: bytes) -> bytes:
    """A file's content, and that of a PNG's compressed texts."""
    if not content.startswith(png.SIGNATURE):
        return content
    parts = [part for kind, part in png.split_chunks(content) if kind in (b"zTXt", b"iTXt")]
    return content + b"".join(
        inflate(part[start:]) for part in parts for start in (part.find(b"\0") + 2, part.rfind(b"\0") + 1)
    )


def inflate(content: bytes) -> bytes:
    """Decompresses what may be compressed."""
    try:
        return zlib.decompress(content)
    except zlib.error:
        return b""


@dataclass(frozen=True)
class Expectation:
    """A photo and the pixels that may come of it. `refusable`: laa may say that it does not support such photos."""

    name: str
    content: bytes
    choices: list[Shares]
    tolerance: float
    refusable: bool
    colour_chunks: tuple[tuple[bytes, bytes], ...] = ()


def tiffs(case: Case) -> None:
    """Some TIFFs of the matrix."""
    variants = case.random.sample(matrix(), 10)
    check(case, [expect_tiff(variant) for variant in variants], case.random.choice((PNG_NAME, ".tif")))


def photos(case: Case) -> None:
    """Some photos of all formats."""
    seeds = case.random.sample([seed for seed in all_seeds() if not seed.refused], 8)
    check(case, [expect_photo(seed) for seed in seeds], PNG_NAME)


def expect_tiff(variant: Variant) -> Expectation:
    """What must become of a TIFF."""
    content = variant.encode()
    choices = [] if variant.unsupported else variant.expected(content)
    return Expectation(f"TIFF {variant.name}", content, choices, variant.tolerance, refusable=True)


def expect_photo(seed: Seed) -> Expectation:
    """What must become of a photo: the pixels that were written, or Pillow's."""
    name, content = seed.name, seed.content
    lossy = any(part in name for part in ("jpeg", "webp", "avif"))
    tolerance = 0.02 if "cmyk" in name else DECODERS_DIFFER if lossy and "lossless" not in name else 1e-9
    chunks = tuple(part for part in png.split_chunks(content) if part[0] in COLOUR) if name.startswith("png") else ()
    return Expectation(
        name, content, [seed.pixels() if seed.pixels else reference(content)], tolerance, refusable=False, colour_chunks=chunks
    )


def reference(content: bytes) -> Shares:
    """A photo's pixels by Pillow, upright."""
    with Image.open(io.BytesIO(content)) as image:
        turned = image if content[:2] == b"BM" else ImageOps.exif_transpose(image)
        return np.asarray(turned.convert("RGBA" if turned.has_transparency_data else "RGB")) / 255


COLOUR = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"iCCP")


def check(case: Case, expectations: list[Expectation], suffix: str) -> None:
    """Upscales photos by 1 in one command and looks at each result."""
    output_suffix = ".png" if suffix == PNG_NAME else suffix
    sources = {}
    for number, expectation in enumerate(expectations):
        path = case.sandbox.write(f"p{number}{suffix}", expectation.content)
        sources[path] = case.sandbox.out / f"p{number}_x1{output_suffix}"
    case.files += len(sources)
    outcome = case.run("upscale", *sources, "-o", "out", *AS_THEY_ARE, outputs=[case.sandbox.out], photos=sources)
    lines = outcome.stderr.decode(errors="replace").splitlines()
    for (source, result), expectation in zip(sources.items(), expectations, strict=True):
        said = " ".join(line for line in lines if str(source) in line)
        if result.exists():
            check_result(case, result, expectation)
        elif not outcome.hung:
            check_refusal(case, said, expectation)


def check_result(case: Case, result: Path, expectation: Expectation) -> None:
    """Compares a result's pixels and, PNG to PNG, the chunks that say what its colours are."""
    found = pixels.read(result)
    if not expectation.choices:
        case.fault("wrong pixels", f"{expectation.name}: accepted, though no photo holds such samples")
        return
    differences = [pixels.difference(found, choice) for choice in expectation.choices]
    if min(differences) > expectation.tolerance:
        case.fault("wrong pixels", f"{expectation.name}: off by {min(differences) * 255:.1f} of 255")
    if expectation.colour_chunks and result.suffix == ".png":
        written = {kind for kind, _ in png.split_chunks(result.read_bytes())}
        lost = [kind.decode() for kind, _ in expectation.colour_chunks if kind not in written]
        if lost:
            case.fault("lost colour", f"{expectation.name}: {', '.join(lost)}")


def check_refusal(case: Case, said: str, expectation: Expectation) -> None:
    """Judges the words of a refusal."""
    if SAYS_DAMAGED.search(said) and not SAYS_UNSUPPORTED.search(said):
        case.fault("called damaged", f"{expectation.name}: {said[-160:]}")
    elif not expectation.refusable:
        case.fault("called damaged", f"{expectation.name}: refused: {said[-160:]}")
    elif not SAYS_UNSUPPORTED.search(said):
        case.fault("reason", f"{expectation.name}: {said[-160:]}")
