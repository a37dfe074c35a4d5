"""What a run writes to its folder: state, weights, log, curve, preview, and TensorBoard events where that is installed."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from models.checkpoint import ModelCard, save_bytes

from ..console import Screen
from ..errors import LaaError
from ..utils.atomic import write_atomically
from ..utils.inputs import NO_INPUTS, Inputs
from .divergence import DivergenceError
from .log import DamagedLogError, Row, TrainingFigures, append_row
from .plots import draw_learning_curve
from .trainer import Trainer

STATE = "state.safetensors"
WEIGHTS = "weights.safetensors"
LOG = "log.csv"
CURVE = "curve.png"
PREVIEW = "preview.png"
FILES = (STATE, WEIGHTS, LOG, CURVE, PREVIEW)


class Recorder:
    """Saves and validates. `about`: what the weights' card says of the data. `validation`: what the task measures on.

    `inputs`: what is never written over.
    """

    def __init__(
        self, folder: Path, validation: Any, about: dict[str, Any], screen: Screen, inputs: Inputs = NO_INPUTS
    ) -> None:
        self.folder = folder
        self.validation = validation
        self.about = about
        self.screen = screen
        self.inputs = inputs
        self.figures: dict[str, Any] = {}  # of the last validation
        self.fidelity_coefficients: tuple[float, ...] = ()  # fitted only at the end
        self.doubt_coefficients: tuple[float, ...] = ()  # likewise
        self.events: Any = None  # a SummaryWriter

    def save(self, trainer: Trainer) -> None:
        """Writes the state to resume from. Raises LaaError; the state before is whole then."""
        trainer.save(self.folder / STATE, self.inputs)

    def save_and_record(self, trainer: Trainer, training: TrainingFigures) -> None:
        """Saves and validates on the way: what cannot be written now is noticed, and training goes on."""
        for write in (self.save, lambda trainer: self.record(trainer, training, quick=True)):
            write_or_notice(write, trainer, self.screen)

    def record(self, trainer: Trainer, training: TrainingFigures, *, quick: bool = False) -> None:
        """Validates the moving average, `quick`: on some of the data, and writes everything but the state."""
        task = trainer.task
        self.figures = task.measure(trainer.ema, self.validation, trainer.device, quick=quick)
        self.say(trainer, training)
        self.write_weights(trainer)
        row: Row = {**trainer.progress.figures(), **training, **self.figures}
        rows = append_row(self.folder / LOG, row, self.inputs)
        self.write(CURVE, draw_learning_curve(rows, {"gain_db": task.gain_label} | task.gain_labels, task.noun))
        self.write(PREVIEW, task.preview(trainer.ema, self.validation, trainer.device))
        self.add_events(row)

    def write(self, name: str, content: bytes) -> None:
        """Writes a file to the folder. Raises LaaError."""
        write_atomically(self.folder / name, content, inputs=self.inputs, overwrite=True)

    def say(self, trainer: Trainer, training: TrainingFigures) -> None:
        """Prints the figures in a line."""
        progress, figures, noun = trainer.progress, self.figures, trainer.task.noun
        gains = "".join(f"  {figures[name]:+.3f} dB {label}" for name, label in trainer.task.gain_labels.items())
        pace = f"{training['faces_per_s']:.1f} {noun}/s, {training['matrix_share']:.0%} of the matrix rate"
        quality = f"{figures['psnr_db']:.2f} dB, {figures['gain_db']:+.3f} over bicubic{gains}"
        position = f"{progress.minutes:6.1f} min  {progress.faces:8} {noun}"
        loss = f"loss {training['loss']:.4f}  " if math.isfinite(training["loss"]) else ""  # no step since the last validation
        self.screen.say(f"{position}  {loss}{quality}  {pace}")

    def write_weights(self, trainer: Trainer) -> None:
        """Writes the moving average with its card, so that a run can be used before it ends."""
        training = (
            self.about | {"hardware": hardware_name(trainer.device)} | asdict(trainer.config) | trainer.progress.figures()
        )
        name = training.pop("name")
        task = trainer.task
        card = ModelCard(
            trainer.network.config,
            name,
            training,
            self.figures,
            task.crop_px,
            self.fidelity_coefficients,
            task.architecture,
            self.doubt_coefficients,
        )
        self.write(WEIGHTS, save_bytes(trainer.ema, card))

    def add_events(self, row: Row) -> None:
        """Adds a row of the log to TensorBoard's events; without TensorBoard, which is an extra, nothing is written."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        if self.events is None:
            self.events = SummaryWriter(str(self.folder / "tensorboard"), purge_step=row["step"])
        for name, value in row.items():
            if name not in ("step", "validated_faces") and math.isfinite(value):
                self.events.add_scalar(name, value, row["step"])
        self.events.flush()


def write_or_notice(write: Callable[[Trainer], None], trainer: Trainer, screen: Screen) -> None:
    """Writes, or prints why that failed; a diverged run or a damaged log still ends training."""
    try:
        write(trainer)
    except OSError as error:
        screen.notice(f"{error}: training goes on")
    except (DivergenceError, DamagedLogError):
        raise
    except LaaError as error:
        screen.notice(f"{error}: training goes on, and tries again later")


def hardware_name(device: torch.device) -> str:
    """Names the device for the weights' card."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
