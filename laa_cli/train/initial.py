"""Reads weights that a run starts from, or that a run wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from models.checkpoint import CheckpointError, ModelCard, load

from ..errors import LaaError

ORIGIN = "init_from"  # the entry of a card, and of a run's state, with the history of the weights that the run began with


def read_trained(path: Path) -> tuple[nn.Module, ModelCard[Any]]:
    """Reads a checkpoint of any architecture: its network, on the CPU, and its card. LaaError where it cannot be used."""
    try:
        return load(path)
    except OSError as error:
        raise LaaError(f"cannot read the weights {path}: {error.strerror or error}") from error
    except CheckpointError as error:
        raise LaaError(f"cannot use the weights {path}: the file {error}") from error


def training_history(card: ModelCard[Any]) -> dict[str, Any]:
    """Takes from a card what the card of weights that come of it says of these."""
    return {name: card.training[name] for name in ("faces", "minutes", ORIGIN) if name in card.training}
