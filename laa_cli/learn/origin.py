"""Weights that a run starts from: as they are, or widened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.network import LAATransformer
from models.widen import widen

from ..errors import Exit, LaaError
from ..restore import read_weights


@dataclass(frozen=True)
class InitialWeights:
    """A trained network, and what the card of the weights that come of it should say of it."""

    network: LAATransformer
    history: dict[str, Any]

    @classmethod
    def of(cls, path: Path, widen_to: int | None = None) -> InitialWeights:
        """Reads weights, and widens them where more base channels are asked for. LaaError where that cannot be."""
        network, card = read_weights(path)
        past: dict[str, Any] = {
            name: card.training[name] for name in ("faces", "minutes", "init_from") if name in card.training
        }
        past |= {"name": card.name, "base_channels": card.config.base_channels}
        if widen_to is None or widen_to == card.config.base_channels:
            return cls(network, past)
        try:
            return cls(widen(network, widen_to), past)
        except ValueError as error:
            raise LaaError(f"--width with --init-from {path}: {error}", Exit.USAGE) from error
