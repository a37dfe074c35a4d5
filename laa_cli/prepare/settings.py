"""What `laa prepare` is asked to do with photos."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import Exit, LaaError

FORMATS = ("webp", "png")


@dataclass(frozen=True)
class PrepareRequest:
    """How to choose and store faces. Raises LaaError on values that make no sense."""

    min_crop: int = 128  # px of the photo: smaller crops would be enlarged, and are refused as in the paper
    min_sharpness: float = 50.0  # variance of the Laplacian; the shipped weights' training faces have 54.7 or more
    validation_share: float = 0.05
    format: str = "webp"  # of training faces; validation faces are PNG
    shard_size: int = 4096  # faces of a tar file
    max_pixels: int = 200_000_000

    def __post_init__(self) -> None:
        """Names the first value that is out of range."""
        if self.format not in FORMATS:
            raise LaaError(f"--format must be one of {', '.join(FORMATS)}, not {self.format!r}", Exit.USAGE)
        ranges = {"min_crop": (16, 4096), "min_sharpness": (0, 1e9), "validation_share": (0, 0.9), "shard_size": (1, 10**6)}
        for name, (low, high) in (ranges | {"max_pixels": (1, 2**40)}).items():
            if not low <= getattr(self, name) <= high:
                raise LaaError(f"--{name.replace('_', '-')} must lie between {low:g} and {high:g}", Exit.USAGE)

    @property
    def most_bytes(self) -> int:
        """Of a photo's file: no sound photo has more than 16 for each pixel, and metadata."""
        return 16 * self.max_pixels + (64 << 20)
