"""A branch of a run whose learning rate was held: it goes on from the run's state, and lets the rate fall."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import LaaError
from .initial import read_trained
from .recorder import WEIGHTS
from .schedule import TrainConfig

KEPT = ("task", "batch_size", "learning_rate", "weight_decay", "ema", "seed", "optimizer")  # settings that a branch keeps


def branch_config(folder: Path, *, minutes: float | None, faces: int | None, save_minutes: float) -> TrainConfig:
    """Builds a branch's settings: those of the run in `folder`, but for the schedule. LaaError where there is no such run.

    `minutes` or `faces`: the branch's own budget.
    """
    training = read_trained(folder / WEIGHTS)[1].training
    try:
        kept: dict[str, Any] = {name: training[name] for name in KEPT}
        return TrainConfig(minutes=minutes, faces=faces, save_minutes=save_minutes, schedule="decay", warmup=0, **kept)
    except (KeyError, TypeError) as error:
        raise LaaError(f"cannot branch from {folder}: its {WEIGHTS} does not tell how it was trained ({error})") from error
