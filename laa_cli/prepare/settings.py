"""What `laa prepare` is asked to do with photos: the only defaults and ranges. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UsageError

FORMATS = ("webp", "png")
RANGES = {
    "min_crop": (16, 4096),
    "min_sharpness": (0, 1e9),
    "validation_share": (0, 0.9),
    "shard_size": (1, 10**6),
    "max_pixels": (1, 2**40),
}


@dataclass(frozen=True, kw_only=True)
class PrepareRequest:
    """How to select and store faces. Raises UsageError on a value that is out of range."""

    min_crop: int = 128  # px of the photo: smaller crops would be enlarged, and are refused as in the paper
    min_sharpness: float = 50  # variance of the Laplacian; the shipped weights' training faces have 54.7 or more
    validation_share: float = 0.05  # of photos, or of people
    format: str = "webp"  # of training faces; validation faces are PNG
    shard_size: int = 4096  # faces of a tar file
    max_pixels: int = 200_000_000  # of a photo

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise UsageError(f"format must be one of {', '.join(FORMATS)}, not {self.format!r}", "format")
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"{name} must lie between {low:g} and {high:g}", name)
