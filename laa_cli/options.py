"""What a caller can ask of the pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from models.sizes import CROP_MARGIN

from .errors import Exit, LaaError

SCALES = (1, 2, 4, 8)


@dataclass(frozen=True)
class Options:
    """How to enlarge a photo and treat its faces. Raises LaaError on values that make no sense."""

    scale: int = 4
    max_face_px: float = 96  # crop side above which a face is left alone: measured, see docs/laa-photo.md
    margin: float = CROP_MARGIN  # crop side over the longer side of the face's box
    feather: float = 0.2  # soft rim, as a share of the crop's side
    max_pixels: int = 700_000_000  # of the enlarged photo; about 8 bytes of memory each

    def __post_init__(self) -> None:
        """Names the first value that is out of range."""
        ranges = {"max_face_px": (0, 1e6), "margin": (1, 3), "feather": (0, 0.5), "max_pixels": (1, 2**40)}
        if self.scale not in SCALES:
            raise LaaError(f"--scale must be one of {', '.join(map(str, SCALES))}, not {self.scale}", Exit.USAGE)
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                flag = name.removesuffix("_px").replace("_", "-")
                raise LaaError(f"--{flag} must lie between {low:g} and {high:g}, not {getattr(self, name):g}", Exit.USAGE)
