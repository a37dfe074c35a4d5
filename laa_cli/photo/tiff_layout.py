"""What a TIFF's tags say of how its pixels are stored: their number, their samples, their colours."""

from __future__ import annotations

from dataclasses import dataclass

from tifffile import TiffPage

GREY_INVERTED, GREY, RGB, PALETTE, CMYK, YCBCR, CIELAB, ICCLAB, CFA, LINEAR_RAW = 0, 1, 2, 3, 5, 6, 8, 9, 32803, 34892
COLOUR_SAMPLES = {GREY_INVERTED: 1, GREY: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3, CIELAB: 3, ICCLAB: 3}
UNCOMPRESSED, CCITT, JPEG, WEBP = 1, {2, 3, 4}, 7, {34927, 50001}
OLD_JPEG = 6
LIBTIFF_CODECS = {OLD_JPEG, 32809}  # and ThunderScan
JPEG_PIXELS_PER_BYTE = 256  # at most: two bits for a block of 8x8
BYTE_CODECS = {UNCOMPRESSED, 5, 8, 32773, 32946, 34925, 34926, 50000, 50013}  # LZW, deflate, PackBits, LZMA, Zstandard
# WebP, JPEG 2000, LERC, PNG, JPEG XR, JPEG XL: each strip or tile is a picture of its own
PICTURE_CODECS = {*WEBP, 33005, 34712, 34887, 34933, 22610, 34934, 50002, 52546}
MAX_SAMPLES = 64  # of a pixel
ALPHA_PREMULTIPLIED, ALPHA = 1, 2
ALPHA_COREL = 999  # what Corel Draw 10 calls it


@dataclass(frozen=True)
class Layout:
    """How the pixels are stored, as the tags say. `extra`: kinds of the samples beside the colours."""

    width: int
    height: int
    samples: int
    bits: int
    photometric: int
    compression: int
    predictor: int
    planar: int
    unsigned: bool
    extra: tuple[int, ...]

    @property
    def colours(self) -> int:
        """The number of samples that are colours."""
        return COLOUR_SAMPLES.get(self.photometric, 1)

    @property
    def space(self) -> str:
        """What messages call its colours."""
        return f"colours of its kind (photometric interpretation {self.photometric})"

    @property
    def alpha(self) -> int | None:
        """The place of alpha among the samples; None where there is none."""
        kinds = [kind in (ALPHA_PREMULTIPLIED, ALPHA, ALPHA_COREL) for kind in self.extra]
        return self.colours + kinds.index(True) if True in kinds else None

    @property
    def needed(self) -> int:
        """How many of the samples, from the first, are needed: those after alpha are masks."""
        return self.colours if self.alpha is None else self.alpha + 1

    @property
    def premultiplied(self) -> bool:
        """Whether the colours are multiplied by alpha (associated alpha)."""
        return self.alpha is not None and self.extra[self.alpha - self.colours] == ALPHA_PREMULTIPLIED

    @property
    def channels(self) -> int:
        """The number of channels of the photo."""
        return (1 if self.photometric in (GREY_INVERTED, GREY) else 3) + (self.alpha is not None)


def read_layout(page: TiffPage) -> Layout:
    """Takes over what the tags say. ValueError where they contradict each other."""
    values = [page.imagewidth, page.imagelength, page.samplesperpixel, page.photometric, page.compression, page.predictor]
    if not all(isinstance(value, int) for value in values) or page.planarconfig not in (1, 2) or page.samplesperpixel < 1:
        raise ValueError("its tags are damaged")
    width, height, samples, photometric, compression, predictor = (int(value) for value in values)
    extra = tuple(int(kind) for kind in page.extrasamples)
    missing = samples - COLOUR_SAMPLES.get(photometric, samples) - len(extra)
    if missing < 0 and photometric in COLOUR_SAMPLES:
        raise ValueError(f"its tags do not agree on {samples} samples for each pixel")
    missing = min(missing, MAX_SAMPLES)  # more are refused
    extra += (ALPHA if missing == 1 and not extra else 0,) * max(missing, 0)  # a single one that nothing is said of is alpha
    bits = page.bitspersample if isinstance(page.bitspersample, int) else 0
    unsigned = page.sampleformat in (1, 4)  # 4: undefined
    planar = int(page.planarconfig) if samples > 1 else 1
    return Layout(width, height, samples, bits, photometric, compression, predictor, planar, unsigned, extra)
