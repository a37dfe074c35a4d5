"""What a run leaves in its folder: state, weights, log, curve, preview, and events for TensorBoard where that is installed."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.checkpoint import ModelCard, save_bytes

from ..console import Screen
from ..errors import LaaError
from ..utils.atomic import write_atomically
from .log import Row, append_row
from .plots import draw_learning_curve, draw_preview
from .tasks import TASKS
from .trainer import Trainer
from .validation import photo_gain_db, validate

QUICK_FACES = 128  # validation faces looked at on the way; all of them count at the end
STATE, WEIGHTS, LOG, CURVE, PREVIEW = "state.safetensors", "weights.safetensors", "log.csv", "curve.png", "preview.png"


class Recorder:
    """Saves and validates. `about`: what the weights' card says of the data. `validation`: (n, 3, 128, 128) uint8 RGB."""

    def __init__(self, folder: Path, validation: Tensor, about: dict[str, Any], screen: Screen) -> None:
        self.folder, self.validation, self.about, self.screen = folder, validation, about, screen
        self.figures: dict[str, Any] = {}
        self.fidelity_coefficients: tuple[float, ...] = ()  # known only at the end
        self.events: Any = None

    def save(self, trainer: Trainer) -> None:
        """Writes the state to go on from. Raises LaaError; the state before is whole then."""
        trainer.save(self.folder / STATE)

    def save_and_record(self, trainer: Trainer, training: Row) -> None:
        """Saves and validates on the way: what cannot be written now is said, and training goes on."""
        for write in (self.save, lambda trainer: self.record(trainer, self.validation[:QUICK_FACES], training)):
            write_or_notice(write, trainer, self.screen)

    def record(self, trainer: Trainer, faces: Tensor, training: Row) -> None:
        """Validates the moving average and writes everything but the state. `training`: the log's other figures."""
        self.figures = figures = self.measured(trainer, faces)
        self.say(trainer, training)
        self.write_weights(trainer)
        row = asdict(trainer.progress) | training | figures
        lines = append_row(self.folder / LOG, row)
        write_atomically(self.folder / CURVE, draw_learning_curve(lines), overwrite=True)
        shown = draw_preview(trainer.ema, self.validation, trainer.device)
        write_atomically(self.folder / PREVIEW, shown, overwrite=True)
        self.add_events(row)

    def measured(self, trainer: Trainer, faces: Tensor) -> dict[str, Any]:
        """Figures of the moving average."""
        figures = validate(trainer.ema, faces, trainer.device).summary()
        if trainer.config.task == "photo":
            figures["photo_gain_db"] = photo_gain_db(trainer.ema, self.validation[:QUICK_FACES], trainer.device)
        return figures

    def say(self, trainer: Trainer, training: Row) -> None:
        """A line for people."""
        progress, figures = trainer.progress, self.figures
        in_photos = f"  {figures['photo_gain_db']:+.3f} dB in photos" if "photo_gain_db" in figures else ""
        loss = f"loss {training.get('loss', math.nan):.4f}"
        pace = f"{training.get('faces_per_s', 0):.1f} faces/s, {training.get('matrix_share', 0):.0%} of the matrix rate"
        gain = f"{figures['psnr_db']:.2f} dB, {figures['gain_db']:+.3f} over bicubic{in_photos}"
        self.screen.say(f"{progress.minutes:6.1f} min  {progress.faces:8} faces  {loss}  {gain}  {pace}")

    def write_weights(self, trainer: Trainer) -> None:
        """Writes the moving average with its card, so that a run can be used before it ends."""
        training = self.about | {"hardware": hardware(trainer.device)} | asdict(trainer.config) | asdict(trainer.progress)
        name = training.pop("name")
        card = ModelCard(
            trainer.network.config, name, training, self.figures, TASKS[trainer.config.task].crop_px, self.fidelity_coefficients
        )
        write_atomically(self.folder / WEIGHTS, save_bytes(trainer.ema, card), overwrite=True)

    def add_events(self, row: Row) -> None:
        """The figures for TensorBoard, which is an extra: where it is missing nothing is written."""
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
    """Writes, or says why not; a diverged run still ends."""
    try:
        write(trainer)
    except OSError as error:
        screen.notice(f"{error}: training goes on")
    except LaaError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        screen.notice(f"{error}: training goes on, and tries again later")


def hardware(device: torch.device) -> str:
    """What the run ran on."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
