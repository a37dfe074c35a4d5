"""How to train, and where a run stands on its way: the paper's schedule (Sec. 4.2), or one that fits a budget."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import Exit, LaaError
from .tasks import TASKS

EPOCHS, HALVED_EVERY = 100, 20  # Sec. 4.2
OPTIMIZERS = ("muon", "adamw")
SCHEDULES = ("cosine", "hold")
PAPER = {"batch_size": 32, "learning_rate": 4e-4}  # Sec. 4.2, AdamW
# Assumption: what went furthest in trials of 1,600 to 3,200 faces on a CPU, where a larger batch saves no time; see
# docs/training-trials.md. On a GPU it does: there the paper's batch, at 3 x its rate, which a short schedule needs (untried).
CPU_BUDGET = {"batch_size": 4, "learning_rate": 6e-4}
GPU_BUDGET = {"batch_size": 32, "learning_rate": 1.2e-3}
# Assumption: Muon's rate for matrices falls with the root of the width: 5e-3, 3.5e-3 at 8, 16 base channels went furthest.
MUON_RATE, MUON_WIDTH = 3.5e-3, 16
HOLD_WARMUP_FACES = 2000  # after which a rate that is held is at its height


@dataclass(frozen=True)
class TrainConfig:
    """How to train. `task`: "protocol", the paper's, or "photo". `minutes` or `faces`: a budget; neither: the paper's epochs.

    `learning_rate`: the highest; with Muon that of the matrices. `schedule`: of a budget, "cosine" to zero or "hold" after
    the warm-up. Loss, AdamW, its betas and weight decay are the paper's (Sec. 4.2). LaaError on senseless values.
    """

    minutes: float | None = None
    task: str = "protocol"
    batch_size: int = 4
    learning_rate: float = 6e-4
    faces: int | None = None  # seen, not of the set
    weight_decay: float = 0.02
    warmup: float = 0.03  # share of the budget
    ema: float = 0.999
    save_minutes: float = 10.0
    seed: int = 0
    optimizer: str = "adamw"
    schedule: str = "cosine"

    def __post_init__(self) -> None:
        """Names the first value that is out of range."""
        if self.task not in TASKS:
            raise LaaError(f"--task must be one of {', '.join(TASKS)}, not {self.task!r}", Exit.USAGE)
        for name, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in known:
                raise LaaError(f"--{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}", Exit.USAGE)
        if self.schedule == "hold" and self.minutes is None and self.faces is None:
            raise LaaError("--schedule hold needs a budget: --minutes or --faces", Exit.USAGE)
        if self.minutes is not None and self.faces is not None:
            raise LaaError("--minutes and --faces are two budgets: choose one", Exit.USAGE)
        if not 0 <= self.save_minutes < math.inf:
            raise LaaError(f"--save-minutes must not be below 0, not {self.save_minutes}", Exit.USAGE)
        for name in ("minutes", "faces", "batch_size", "learning_rate"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise LaaError(f"--{name.replace('_', '-')} must be above 0, not {value}", Exit.USAGE)

    @classmethod
    def with_defaults(
        cls, minutes: float | None, faces: int | None, batch_size: int | None, learning_rate: float | None,
        *, task: str, seed: int, save_minutes: float, on_cpu: bool, width: int,
        optimizer: str | None = None, schedule: str = "cosine",
    ) -> TrainConfig:  # fmt: skip
        """With the optimiser, batch and learning rate that belong to the paper's schedule or to a budget, where none are given.

        `width`: base channels of the network.
        """
        has_budget = minutes is not None or faces is not None
        optimizer = optimizer or ("muon" if has_budget else "adamw")
        usual = PAPER if not has_budget else CPU_BUDGET if on_cpu else GPU_BUDGET
        usual_rate = MUON_RATE * math.sqrt(MUON_WIDTH / width) if optimizer == "muon" else usual["learning_rate"]
        batch = usual["batch_size"] if batch_size is None else batch_size
        rate = usual_rate if learning_rate is None else learning_rate
        warmup = cls.warmup if schedule != "hold" or faces is None else min(cls.warmup, HOLD_WARMUP_FACES / faces)
        return cls(
            minutes, task, int(batch), rate, faces, warmup=warmup, save_minutes=save_minutes, seed=seed,
            optimizer=optimizer, schedule=schedule,
        )  # fmt: skip


@dataclass
class Progress:
    """Where a run stands; the rest of its state is in the tensors."""

    step: int = 0
    faces: int = 0
    minutes: float = 0.0


def progress_fraction(config: TrainConfig, progress: Progress, set_size: int) -> float:
    """Share of the schedule that is behind a run: 1 at its end. `set_size`: training faces of an epoch."""
    if config.minutes is not None:
        return progress.minutes / config.minutes
    return progress.faces / (config.faces if config.faces is not None else EPOCHS * set_size)


def learning_rate_factor(config: TrainConfig, spent: float) -> float:
    """The learning rate at a share of the schedule, as a share of the highest."""
    if config.minutes is None and config.faces is None:
        return 0.5 ** int(spent * EPOCHS / HALVED_EVERY)  # Sec. 4.2
    if config.schedule == "hold":
        return min(1.0, max(spent / config.warmup, 0.01))
    return warmed_cosine(spent, config.warmup)


def warmed_cosine(done: float, warmup: float) -> float:
    """Learning-rate factor at a share `done` of a budget: linear warm-up, then half a cosine to zero."""
    if done < warmup:
        return max(done / warmup, 0.01)
    return 0.5 + 0.5 * math.cos(math.pi * min(1.0, (done - warmup) / (1 - warmup)))
