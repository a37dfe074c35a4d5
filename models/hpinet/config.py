"""Hyperparameters of HPINet: a frozen, self-validating dataclass that is stored in every checkpoint, and its usual sizes."""

from __future__ import annotations

import reprlib
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

Tail = Literal["two_step", "one_step"]

SCALES = (2, 3, 4)
OVERLAP_PX = 2  # of neighbouring patches, at every stage
MIN_PATCH_PX = 6  # of smaller patches, four could lie over each other
LIMITS = {"dim": 1024, "qk_dim": 1024, "mlp_dim": 8192, "layers": 32}  # far beyond what is sensible
MAX_BLOCKS = 64
MAX_PATCH_PX = 64


@dataclass(frozen=True)
class HPINetConfig:
    """HPINet's hyperparameters; the defaults are the authors' small network, HPINet-S x4. ValueError on impossible ones.

    `tail`: the authors' ("two_step": convolutions and pixel shuffles at growing resolution, onto the bilinear enlargement), or
    ours ("one_step": one convolution and pixel shuffle onto the bicubic enlargement), for a tenth of the arithmetic.
    """

    scale: int = 4
    dim: int = 40  # channels of the feature map
    qk_dim: int = 24  # of queries and keys
    mlp_dim: int = 72
    patch_sizes: tuple[int, ...] = (12, 16, 20, 24) * 2  # px, a block for each: cascaded patch division
    layers: int = 3  # of a block: one of global pixel access, the others of intra-patch self-attention
    tail: Tail = "two_step"

    def __post_init__(self) -> None:
        """Raises ValueError that names the first impossible field."""
        if self.scale not in SCALES or isinstance(self.scale, bool):
            raise ValueError(f"scale must be one of {', '.join(map(str, SCALES))}, not {reprlib.repr(self.scale)}")
        if self.tail not in get_args(Tail):
            raise ValueError(f"tail must be one of {', '.join(get_args(Tail))}, not {reprlib.repr(self.tail)}")
        for name, limit in LIMITS.items():
            check_whole(name, getattr(self, name), 1, limit)
        if self.qk_dim > self.dim:
            raise ValueError(f"qk_dim must not be above dim, not {self.qk_dim} above {self.dim}")
        if not isinstance(self.patch_sizes, tuple) or not 1 <= len(self.patch_sizes) <= MAX_BLOCKS:
            raise ValueError(f"patch_sizes must be 1 to {MAX_BLOCKS} whole numbers, not {reprlib.repr(self.patch_sizes)}")
        for size in self.patch_sizes:
            check_whole("patch_sizes", size, MIN_PATCH_PX, MAX_PATCH_PX)

    @property
    def min_side_px(self) -> int:
        """Least height and width that patches fit into; smaller pictures are padded."""
        return max(self.patch_sizes)

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON-ready form that `from_dict` reads."""
        return asdict(self) | {"patch_sizes": list(self.patch_sizes)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> HPINetConfig:
        """Builds a configuration from `to_dict`'s form; ValueError on a name that this version does not know."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ValueError(f"unknown setting {unknown[0]!r}")
        sizes = values.get("patch_sizes", cls.patch_sizes)
        if not isinstance(sizes, list | tuple):
            raise ValueError(f"patch_sizes must be a list, not {reprlib.repr(sizes)}")
        return cls(**(values | {"patch_sizes": tuple(sizes)}))


def check_whole(name: str, value: Any, low: int, high: int) -> None:
    """Raises ValueError where a value is no whole number from `low` to `high`."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, not {reprlib.repr(value)}")


# The authors' sizes, and below them ours, for a CPU.
SIZES: dict[str, dict[str, Any]] = {
    "S": {},
    "M": {"dim": 56, "qk_dim": 32, "mlp_dim": 100},
    "L": {"dim": 64, "qk_dim": 36, "mlp_dim": 128, "patch_sizes": (12, 14, 16, 20, 24) * 2},
    "T": {"dim": 32, "qk_dim": 16, "mlp_dim": 64, "patch_sizes": (8, 12, 16, 20), "layers": 2, "tail": "one_step"},
    "U": {"dim": 32, "qk_dim": 16, "mlp_dim": 64, "patch_sizes": (8, 12, 16, 20) * 2, "layers": 2, "tail": "one_step"},
}


def sized(size: str, scale: int = HPINetConfig.scale) -> HPINetConfig:
    """Returns the configuration of a size of SIZES at a scale. KeyError on an unknown name."""
    return HPINetConfig(scale=scale, **SIZES[size])
