"""What PNG and AVIF say of colours without an ICC profile (cICP, sRGB, gAMA, cHRM), and the profile that says the same."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .icc import Curve, Primaries, build_profile
from .png_chunks import Chunk

SRGB_CURVE = Curve(2.4, 0.055, 12.92, 0.04045)
BT709_CURVE = Curve(1 / 0.45, 0.099, 4.5, 0.081)
SMPTE240_CURVE = Curve(1 / 0.45, 0.1115, 4.0, 0.0913)
BT709 = Primaries((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
BT601_525 = Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070))
# By the numbers of ITU-T H.273; PNG's sRGB has those of BT.709.
PRIMARIES = {
    1: BT709,
    4: Primaries((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), (0.310, 0.316)),
    5: Primaries((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: BT601_525,
    7: BT601_525,
    8: Primaries((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), (0.310, 0.316)),
    9: Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    10: Primaries((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (1 / 3, 1 / 3)),
    11: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    22: Primaries((0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
CURVES = {
    **dict.fromkeys((1, 6, 11, 12, 14, 15), BT709_CURVE),
    4: Curve(2.2),
    5: Curve(2.8),
    7: SMPTE240_CURVE,
    8: Curve(1.0),
    13: SRGB_CURVE,
}
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
DEFAULT_NCLX = {1, 2}, {2, 13}  # primaries and transfer functions that say no more than sRGB, which is meant anyway
CHRM_UNIT = GAMA_UNIT = 100_000


@dataclass(frozen=True)
class Signals:
    """The colour description of a picture without or beside a profile, as PNG chunks in the order of the file."""

    chunks: tuple[Chunk, ...] = ()

    def get(self, kind: bytes) -> bytes | None:
        """Returns the content of a chunk, None where there is none."""
        return dict(self.chunks).get(kind)

    @property
    def mastering(self) -> bool:
        """Whether the brightness of the mastering display is described, which only PNG can say."""
        return any(kind in (b"mDCV", b"mDCv", b"cLLI", b"cLLi") for kind, _ in self.chunks)

    @property
    def cicp(self) -> tuple[int, int, int, int] | None:
        """Colour primaries, transfer function, matrix (0: RGB) and whether the range is full, by the numbers of H.273."""
        content = self.get(b"cICP")
        return None if content is None else (content[0], content[1], content[2], content[3])

    def profile(self, icc: bytes | None, channels: int) -> tuple[bytes | None, tuple[str, ...]]:
        """Returns the ICC profile for pixels of so many channels, and the names of what no profile can say.

        By PNG's precedence: cICP, `icc` (the picture's own profile), sRGB, then cHRM and gAMA.
        """
        left_out: list[str] = []
        if self.cicp is not None:
            built = cicp_profile(self.cicp, channels)
            if built:
                return built, ()
            left_out.append(cicp_name(self.cicp))
        if not icc:
            try:
                icc = self.built_profile(channels)
            except (ValueError, struct.error):
                left_out.append("damaged colour description (gAMA, cHRM)")
        return icc, tuple(left_out)

    def built_profile(self, channels: int) -> bytes | None:
        """Builds the profile of sRGB, or of cHRM and gAMA; None where there are neither. Raises ValueError on damage."""
        srgb, chrm, gama = (self.get(kind) for kind in (b"sRGB", b"cHRM", b"gAMA"))
        if srgb is not None:
            return build_profile(BT709, SRGB_CURVE, channels, intent=srgb[0] & 3)
        if chrm is None and gama is None:
            return None
        curve = Curve(GAMA_UNIT / max(1, struct.unpack(">I", gama)[0])) if gama is not None else SRGB_CURVE
        return build_profile(read_chrm(chrm) if chrm is not None else BT709, curve, channels)


def read_chrm(content: bytes) -> Primaries:
    """Reads the primaries of a cHRM chunk."""
    values = [value / CHRM_UNIT for value in struct.unpack(">8I", content)]
    white, red, green, blue = (tuple(values[at : at + 2]) for at in range(0, 8, 2))
    return Primaries(red, green, blue, white)  # type: ignore[arg-type]


def cicp_profile(cicp: tuple[int, int, int, int], channels: int) -> bytes | None:
    """Builds the profile that says the same as cICP; None where none can: HDR, or a limited range."""
    primaries, curve = PRIMARIES.get(cicp[0]), CURVES.get(cicp[1])
    if primaries is None or curve is None or cicp[3] != 1:
        return None
    return build_profile(primaries, curve, channels)


def cicp_name(cicp: tuple[int, int, int, int]) -> str:
    """Names what no profile can say."""
    if cicp[1] in HDR_TRANSFERS:
        return f"HDR colours ({HDR_TRANSFERS[cicp[1]]})"
    return f"colour description (cICP {cicp[0]}/{cicp[1]}/{cicp[2]}/{cicp[3]})"


def from_nclx(nclx: tuple[int, int] | None) -> Signals:
    """Returns what an AVIF's colour description (primaries, transfer function) says of its decoded RGB pixels."""
    if nclx is None or max(nclx) > 255 or (nclx[0] in DEFAULT_NCLX[0] and nclx[1] in DEFAULT_NCLX[1]):
        return Signals()
    primaries, transfer = (default if value == 2 else value for value, default in zip(nclx, (1, 13), strict=True))
    return Signals(((b"cICP", bytes((primaries, transfer, 0, 1))),))
