"""Hyperparameters of the face classifier: a frozen, self-validating dataclass that is stored in its checkpoint."""

from __future__ import annotations

import reprlib
from dataclasses import asdict, dataclass, fields
from typing import Any

LIMITS = {"base_channels": 256, "image_size": 256, "hidden": 1024}  # far beyond what is sensible


@dataclass(frozen=True)
class FaceClassifierConfig:
    """The face classifier's hyperparameters. Raises ValueError on an impossible one."""

    base_channels: int = 16
    image_size: int = 40  # side of the crops that it takes, px
    hidden: int = 64  # units of the dense layer

    def __post_init__(self) -> None:
        """Raises ValueError that names the first impossible field."""
        for name, limit in LIMITS.items():
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= limit:
                raise ValueError(f"{name} must be a positive whole number up to {limit}, not {reprlib.repr(value)}")
        if self.image_size % 8:
            raise ValueError(f"image_size must be a multiple of 8, not {self.image_size}")

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON-ready form for a checkpoint's card."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FaceClassifierConfig:
        """Reads `to_dict`'s form. ValueError where a field is unknown or impossible."""
        if unknown := sorted(set(values) - {field.name for field in fields(cls)}):
            raise ValueError(f"unknown setting {reprlib.repr(unknown[0])}")
        return cls(**values)
