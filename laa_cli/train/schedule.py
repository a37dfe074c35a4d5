"""The settings of a training run and its learning-rate schedule: the paper's (Sec. 4.2), or one that fits a budget.

Imports no torch, so that the command line can show the defaults of `TrainConfig`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import UsageError

TASK_NAMES = ("protocol", "photo", "background")  # of tasks.TASKS
OPTIMIZERS = ("muon", "adamw")
SCHEDULES = ("cosine", "hold", "decay")
EPOCHS = 100  # Sec. 4.2
HALVED_EVERY = 20  # epochs, Sec. 4.2


class BatchAndRate(NamedTuple):
    """Batch size, and AdamW's highest learning rate with it."""

    batch_size: int
    learning_rate: float


class Defaults(NamedTuple):
    """What a task takes where a person chooses nothing. The rates are the highest, Muon's that of the matrices."""

    optimizer: str
    batch_size: int
    muon_rate: float
    adamw_rate: float


PAPER = BatchAndRate(32, 4e-4)  # Sec. 4.2
# Assumption: what went furthest in trials of 1,600 to 3,200 faces on a CPU, where a larger batch saves no time; see
# docs/training-trials.md. On a GPU it does: there 64 faces, at 3 x the rate of the paper's 32, for a short schedule (untried).
CPU_BUDGET = BatchAndRate(4, 6e-4)
GPU_BUDGET = BatchAndRate(64, 1.2e-3)
# Assumption: Muon's rate for matrices falls with the root of the width: 5e-3, 3.5e-3 at 8, 16 base channels went furthest.
MUON_RATE = 3.5e-3
MUON_WIDTH = 16
BACKGROUND = Defaults("muon", 8, 3.5e-3, 1e-3)  # Assumption: untried beside others
HOLD_WARMUP_FACES = 2000  # after which a learning rate that is held is at its highest


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Hyperparameters of a run. `minutes` or `faces`: a budget; neither: the paper's epochs. UsageError on senseless values.

    `learning_rate`: the highest; with Muon that of the matrices. `schedule`: of a budget, "cosine" to zero, "hold" after
    the warm-up, or "decay" evenly to zero, for a branch. Loss, AdamW, its betas and weight decay are the paper's (Sec. 4.2).
    """

    minutes: float | None = None
    task: str = "protocol"  # one of TASK_NAMES
    batch_size: int = CPU_BUDGET.batch_size
    learning_rate: float = CPU_BUDGET.learning_rate
    faces: int | None = None  # seen, not of the set
    weight_decay: float = 0.02
    warmup: float = 0.03  # share of the budget
    ema: float = 0.999  # decay of the weights' exponential moving average (EMA)
    save_minutes: float = 10
    seed: int = 0
    optimizer: str = "adamw"
    schedule: str = "cosine"

    def __post_init__(self) -> None:
        """Raises UsageError on the first value that is out of range."""
        for name, choices in (("task", TASK_NAMES), ("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in choices:
                raise UsageError(f"{name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}", name)
        if self.schedule != "cosine" and not self.has_budget:
            raise UsageError(f"schedule {self.schedule} needs a budget: minutes or faces", "schedule", "minutes", "faces")
        if self.minutes is not None and self.faces is not None:
            raise UsageError("minutes and faces are two budgets: choose one", "minutes", "faces")
        if not 0 <= self.save_minutes < math.inf:
            raise UsageError(f"save_minutes must not be below 0, not {self.save_minutes}", "save_minutes")
        for name in ("minutes", "faces", "batch_size", "learning_rate"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise UsageError(f"{name} must be above 0, not {value}", name)

    @property
    def has_budget(self) -> bool:
        """Whether the run ends with a budget instead of the paper's epochs."""
        return self.minutes is not None or self.faces is not None

    @classmethod
    def with_defaults(
        cls, *, usual: Defaults, minutes: float | None = None, faces: int | None = None,
        batch_size: int | None = None, learning_rate: float | None = None, optimizer: str | None = None,
        task: str = task, seed: int = seed, save_minutes: float = save_minutes, schedule: str = schedule,
    ) -> TrainConfig:  # fmt: skip
        """Chooses optimiser, batch size and learning rate, where they are None, as is `usual` for the task."""
        optimizer = optimizer or usual.optimizer
        usual_rate = usual.muon_rate if optimizer == "muon" else usual.adamw_rate
        warmup = cls.warmup if schedule != "hold" or not faces else min(cls.warmup, HOLD_WARMUP_FACES / faces)
        return cls(
            minutes=minutes, faces=faces, task=task, seed=seed, save_minutes=save_minutes, schedule=schedule, warmup=warmup,
            batch_size=usual.batch_size if batch_size is None else batch_size,
            learning_rate=usual_rate if learning_rate is None else learning_rate,
            optimizer=optimizer,
        )  # fmt: skip


def face_defaults(width: int, *, on_cpu: bool, has_budget: bool) -> Defaults:
    """Chooses for faces, by the paper's schedule or for a budget. `width`: base channels of the network."""
    batch_size, rate = PAPER if not has_budget else CPU_BUDGET if on_cpu else GPU_BUDGET
    return Defaults("muon" if has_budget else "adamw", batch_size, MUON_RATE * math.sqrt(MUON_WIDTH / width), rate)


@dataclass
class Progress:
    """How far a run has come; the rest of its state is in the tensors.

    `start_faces`, `start_minutes`: where its schedule began, which is 0 but in a branch.
    """

    step: int = 0
    faces: int = 0
    minutes: float = 0.0
    start_faces: int = 0
    start_minutes: float = 0.0

    def figures(self) -> dict[str, float]:
        """Returns what the log and the weights' card say of it."""
        return {"step": self.step, "faces": self.faces, "minutes": self.minutes}


def progress_fraction(config: TrainConfig, progress: Progress, set_size: int) -> float:
    """Computes the share of the schedule that is done: 1 at its end. `set_size`: training items of an epoch."""
    if config.minutes is not None:
        return (progress.minutes - progress.start_minutes) / config.minutes
    return (progress.faces - progress.start_faces) / (config.faces if config.faces is not None else EPOCHS * set_size)


def learning_rate_factor(config: TrainConfig, fraction: float) -> float:
    """Computes the learning rate, as a share of the highest, at a fraction of the schedule."""
    if not config.has_budget:
        return 0.5 ** int(fraction * EPOCHS / HALVED_EVERY)  # Sec. 4.2
    if config.schedule == "hold":
        return min(1.0, max(fraction / config.warmup, 0.01))
    if config.schedule == "decay":
        return max(0.0, 1 - fraction)
    return cosine_with_warmup(fraction, config.warmup)


def cosine_with_warmup(fraction: float, warmup: float) -> float:
    """Computes the learning-rate factor of linear warm-up, then cosine annealing (half a cosine) to zero."""
    if fraction < warmup:
        return max(fraction / warmup, 0.01)
    return 0.5 + 0.5 * math.cos(math.pi * min(1.0, (fraction - warmup) / (1 - warmup)))
