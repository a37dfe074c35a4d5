"""What a result was made with: one that was made otherwise is made again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..errors import LaaError
from ..upscale import Options


@dataclass(frozen=True)
class Recipe:
    """Everything that decides on the bytes of a result. `weights`: their SHA-256; `loading`: what the networks are set to."""

    options: Options
    weights: str
    loading: dict[str, float | None]  # a face's least size and confidence, fidelity
    strip_metadata: bool = False
    require_face: bool = False

    def to_dict(self) -> dict[str, Any]:
        """What a record says of it."""
        limits = {"strip_metadata": self.strip_metadata, "require_face": self.require_face}
        versions = {"laa": __version__, "torch": torch.__version__}
        return {"versions": versions, "weights": self.weights, "options": asdict(self.options) | self.loading | limits}

    def digest(self, *, failed: bool) -> str:
        """Its fingerprint. Limits that only decide whether a photo fails count for those that `failed`."""
        values = self.to_dict() | {"versions": __version__}  # another torch is no reason to do all again
        if not failed:
            for limit in ("max_pixels", "require_face"):
                del values["options"][limit]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_weights(path: Path) -> str:
    """SHA-256 of the weights. LaaError where they cannot be read."""
    try:
        return hash_file(path)
    except OSError as error:
        raise LaaError(f"cannot read the weights {path}: {error.strerror or error}") from error
