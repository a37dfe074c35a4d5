"""The folder of a run: one run at a time in it, no other run's results overwritten, and a finished run left as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..errors import Exit, LaaError
from ..utils.locks import locked
from .initial import read_trained
from .log import read_rows
from .parallel import Distributed
from .recorder import LOG, STATE, WEIGHTS
from .trainer import Trainer


@contextmanager
def locked_folder(folder: Path, distributed: Distributed, *, resume: bool) -> Iterator[None]:
    """Makes the folder and holds its lock: the main process does, and the others follow it.

    Raises LaaError where another run holds it, or its results would be overwritten; in the other processes SystemExit, for the
    main one says why.
    """
    busy = f"another `laa train` is writing to {folder}: wait until it ends, or choose another --output"
    refused: LaaError | None = None
    with ExitStack() as stack:
        if distributed.is_main:
            try:
                stack.enter_context(locked(folder, busy))
                if not resume:
                    refuse_existing(folder)
            except LaaError as error:
                refused = error
        if distributed.all_reduce_sum(refused is not None)[0]:
            raise refused if refused is not None else SystemExit(int(Exit.FAILED))
        yield


def refuse_existing(folder: Path) -> None:
    """Raises LaaError where another run's results would be overwritten."""
    for path in (folder / STATE, folder / WEIGHTS):
        if path.exists():
            raise LaaError(f"{path} exists already: go on with --resume, or choose another --output")


def check_resumable(folder: Path) -> None:
    """Raises LaaError where a folder holds no state."""
    if not (folder / STATE).is_file():
        reason = f"cannot resume from {folder / STATE}: there is no such file"
        raise LaaError(f"{reason}: name the --output of the run, or leave --resume out")


def is_finished(trainer: Trainer, folder: Path) -> bool:
    """Tells whether a run's schedule is spent and its results are those of its last step, so that nothing is left to do."""
    if trainer.progress_fraction < 1:
        return False
    try:
        step = read_trained(folder / WEIGHTS)[1].training.get("step")
        rows = read_rows(folder / LOG)
    except LaaError:
        return False
    return step == trainer.progress.step and bool(rows) and rows[-1].get("step") == str(step)


def describe_finished(trainer: Trainer, folder: Path) -> str:
    """Says that a run is finished, and how to go on."""
    config = trainer.config
    longer = f"with more --{'minutes' if config.minutes is not None else 'faces'}, or " if config.has_budget else ""
    done = f"{folder} is finished: {trainer.progress.faces} {trainer.task.noun}, {trainer.progress.minutes:.1f} min"
    return f"{done}: go on {longer}with --init-from {folder / WEIGHTS} in another --output"
