"""Hyperparameters of the LAA-Transformer: a frozen, self-validating dataclass that is stored in every checkpoint."""

from __future__ import annotations

import reprlib
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, NamedTuple, get_args

Attention = Literal["rsa", "csa"]  # Table 2
Integration = Literal["both", "first", "second", "dwconv", "position"]  # Table 3
Fusion = Literal["wfm", "wfm_unsplit", "concat"]  # Table 4

LIMITS = {
    "base_channels": 512,
    "image_size": 1024,
    "blocks": 32,
    "mlp_ratio": 32,
    "reduction": 256,
}  # far beyond what is sensible
STAGES = 4  # extraction steps; the recovery mirrors them (Sec. 3.1)


class Stage(NamedTuple):
    """The shape of the feature map that a stage's RSA blocks work on: one row of Sec. 4.2."""

    channels: int
    size: int  # height and width, px
    heads: int
    stride: int  # lambda of Eq. 7


@dataclass(frozen=True)
class LAAConfig:
    """The LAA-Transformer's hyperparameters; the defaults are the paper's. Raises ValueError on an impossible one."""

    base_channels: int = 32  # C of Eq. 1
    image_size: int = 128
    blocks: int = 2  # RSA blocks per stage
    attention: Attention = "rsa"
    integration: Integration = "both"
    fusion: Fusion = "wfm"
    mlp_ratio: int = 4  # Assumption: the usual Transformer ratio; the network has 19.4 M parameters then
    reduction: int = 4  # Assumption: channel-attention bottleneck; 16 would leave a single unit at 16 channels
    leaky_slope: float = 0.2  # Assumption: the usual slope of face-SR networks; the paper names none

    def __post_init__(self) -> None:
        """Raises ValueError that names the first impossible field."""
        for name, choices in (("attention", Attention), ("integration", Integration), ("fusion", Fusion)):
            if getattr(self, name) not in get_args(choices):
                raise ValueError(
                    f"{name} must be one of {', '.join(get_args(choices))}, not {reprlib.repr(getattr(self, name))}"
                )
        for name, limit in LIMITS.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= limit:
                raise ValueError(f"{name} must be a positive whole number up to {limit}, not {reprlib.repr(value)}")
        if self.base_channels % 2:
            raise ValueError(f"base_channels must be even (16 heads share 8x as many), not {self.base_channels}")
        if self.image_size % 32:
            raise ValueError(f"image_size must be a multiple of 32, not {self.image_size}")
        if type(self.leaky_slope) not in (int, float) or not 0 <= self.leaky_slope < 1:
            raise ValueError(f"leaky_slope must lie in [0, 1), not {reprlib.repr(self.leaky_slope)}")

    @property
    def extraction(self) -> tuple[Stage, ...]:
        """Stages of the encoder (Sec. 4.2): 2^(i-1) C channels and 2^(i-1) heads at step i."""
        return tuple(self._stage(self.base_channels << i, i, 1 << i) for i in range(STAGES))

    @property
    def transformation(self) -> Stage:
        """Stage of the bottleneck (Sec. 4.2): 256 channels (8 C) and 16 heads."""
        return self._stage(self.base_channels << (STAGES - 1), STAGES - 1, 16)

    @property
    def recovery(self) -> tuple[Stage, ...]:
        """Stages of the decoder (Sec. 4.2): 2^(5-j) C channels and 2^(4-j) heads at step j."""
        return tuple(self._stage(self.base_channels << (i + 1), i, 1 << i) for i in reversed(range(STAGES)))

    def _stage(self, channels: int, level: int, heads: int) -> Stage:
        size = self.image_size >> level
        return Stage(channels, size, heads, stride=1 if size <= 32 else 4)  # Sec. 4.2: lambda

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON-ready form that `from_dict` reads."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> LAAConfig:
        """Builds a configuration from `to_dict`'s form; ValueError on a name that this version does not know."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ValueError(f"unknown setting {unknown[0]!r}")
        return cls(**values)
