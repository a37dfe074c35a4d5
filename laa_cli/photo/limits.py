"""How large a photo may be: in pixels where a person said so, otherwise by the memory that is free."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import LaaError, OutOfMemoryError
from ..options import SCALES
from ..utils.memory import available_bytes
from .encode import FORMAT_OF_SUFFIX
from .header import PhotoHeader

# Measured peaks, rounded up: bytes for each pixel of a photo while it is decoded (and COPIES of the decoded pixel) and while
# its faces are looked for, beside what detection takes of any photo; for each pixel of the enlargement, beside its array, what
# encoders take that do not work in strips. The others take no more than the file, which is no larger than the array.
DECODING_BYTES = 4
DETECTION_BYTES, LEAST_DETECTION_BYTES = 15, 100_000_000
COPIES = 3
ENCODING_BYTES = {"WEBP": 16, "AVIF": 45}
LAYERS_SUFFIX = ".ora"  # of a result as layers: one of them is made and encoded at a time, while the result is held
ALWAYS_TRIED_BYTES = 1 << 30  # estimates are no reason to refuse what takes less
USABLE_SHARE = 0.9  # of the free memory
UNKNOWN_MAX_PIXELS = 700_000_000  # where the system does not tell how much memory is free
MAX_FILE_BYTES_PER_PIXEL = 16  # no intact photo takes more in its file: 16-bit RGBA is 8
MAX_METADATA_BYTES = 64 << 20

BytesOfSize = Callable[[int, int, int], int]  # of memory, by a photo's height, width and scale


def no_bytes(height: int, width: int, scale: int) -> int:
    """Takes no memory: a `BytesOfSize`."""
    return 0


def reading_bytes(header: PhotoHeader) -> int:
    """Estimates the most bytes of memory that a photo takes while it is decoded."""
    return header.pixels * (DECODING_BYTES + COPIES * header.pixel_bytes)


def upscaling_bytes(header: PhotoHeader, scale: int, background_bytes: BytesOfSize = no_bytes, suffix: str = "") -> int:
    """Estimates the most bytes of memory that a photo takes on its way, beside the models and its file.

    `background_bytes`: what enlarging it takes beside the photo and the result. `suffix`: the result's format (".jpg").
    """
    detection = LEAST_DETECTION_BYTES + header.pixels * (header.pixel_bytes + DETECTION_BYTES)
    encoding = ENCODING_BYTES.get(FORMAT_OF_SUFFIX.get(suffix.lower(), ""), header.pixel_bytes + 1)
    encoding += header.pixel_bytes * (suffix == LAYERS_SUFFIX)
    enlargement = header.pixels * (header.pixel_bytes + scale**2 * (header.pixel_bytes + encoding))
    photo_and_result = header.pixels * header.pixel_bytes * (1 + scale**2)
    background = photo_and_result + background_bytes(header.height, header.width, scale)
    return max(reading_bytes(header), detection, background, enlargement)


def check_reading(header: PhotoHeader, max_pixels: int | None, name: str) -> None:
    """Refuses a photo of more than `max_pixels`, or by default one that takes more memory than is free. Raises LaaError."""
    size = f"{name} is too large: {header.width}x{header.height} is {header.pixels} pixels"
    limit = hard_limit(max_pixels)
    if limit is not None and header.pixels > limit:
        raise LaaError(f"{size}, and at most {limit} pixels are allowed: raise --max-pixels or shrink it")
    if max_pixels is None and (shortage := memory_shortage(reading_bytes(header))):
        raise OutOfMemoryError(f"{size}, {shortage}: shrink it, or try it with --max-pixels {header.pixels}")


def check_enlargement(
    header: PhotoHeader,
    scale: int,
    max_pixels: int | None,
    name: str,
    background_bytes: BytesOfSize = no_bytes,
    suffix: str = "",
) -> None:
    """Refuses an enlargement as `check_reading` does a photo, naming what would fit. Raises LaaError.

    `background_bytes`, `suffix`: as of `upscaling_bytes`.
    """

    def shortage_at(smaller: int) -> str | None:
        return memory_shortage(upscaling_bytes(header, smaller, background_bytes, suffix))

    pixels, limit = header.pixels * scale**2, hard_limit(max_pixels)
    if limit is not None and pixels > limit:
        problem, error = f", the limit is {limit / 1e6:.0f}", LaaError
        fitting = [smaller for smaller in SCALES if header.pixels * smaller**2 <= limit]
    elif max_pixels is None and (shortage := shortage_at(scale)):
        problem, error = f", {shortage}", OutOfMemoryError
        fitting = [smaller for smaller in SCALES if smaller < scale and not shortage_at(smaller)]
    else:
        return
    fits_plainly = error is OutOfMemoryError and not memory_shortage(upscaling_bytes(header, scale, suffix=suffix))
    ways = ["use --background plain"] * fits_plainly + [f"use --scale {smaller}" for smaller in fitting[-1:]]
    size = f"{name}: {header.width}x{header.height} enlarged {scale}x is {pixels / 1e6:.0f} megapixels"
    raise error(f"{size}{problem}: {', '.join([*ways, 'or ' * bool(ways) + f'allow it with --max-pixels {pixels}'])}")


def hard_limit(max_pixels: int | None) -> int | None:
    """Returns the limit in pixels; None where memory decides."""
    return max_pixels if max_pixels is not None or available_bytes() is not None else UNKNOWN_MAX_PIXELS


def memory_shortage(needed: int) -> str | None:
    """Says how much memory is needed and how much is free, where that is less."""
    available = available_bytes()
    if needed <= ALWAYS_TRIED_BYTES or available is None or needed <= available * USABLE_SHARE:
        return None
    return f"which needs about {needed / 1e9:.1f} GB of memory, and {available / 1e9:.1f} GB are free"


def max_file_bytes(max_pixels: int | None) -> int:
    """Bounds the size of a photo's file, bytes: no intact photo of so many pixels is larger. None: half of the free memory."""
    if max_pixels is None and (available := available_bytes()) is not None:
        return max(available // 2, MAX_METADATA_BYTES)
    return MAX_FILE_BYTES_PER_PIXEL * max(max_pixels or UNKNOWN_MAX_PIXELS, 1) + MAX_METADATA_BYTES
