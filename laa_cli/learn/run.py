"""`laa train`: reads the faces, trains until the budget is spent, saves and reports on the way."""

from __future__ import annotations

import csv
import math
import platform
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.checkpoint import Card, save_bytes
from models.config import LAAConfig
from models.network import LAATransformer

from ..console import Screen
from ..device import choose_device
from ..errors import LaaError
from ..files import write_atomically
from ..restore import Restorer
from .batches import Batches
from .degrade import TASKS
from .faces import HR_FACE_PX, STORED_FACE_PX, read_faces
from .trainer import TrainConfig, Trainer
from .validation import measure, photo_gain_db

GLANCE = 128  # validation faces looked at on the way; all of them count at the end
CHECK_STEPS = 20  # steps between looks at the loss, which make a GPU wait


def start(
    data: list[Path], held_out: Path, folder: Path, model: LAAConfig, config: TrainConfig, device: str,
    *, about: str, resume: bool, screen: Screen, init_from: Path | None = None,
) -> Path:  # fmt: skip
    """Trains on the faces of `data` and writes `weights.safetensors`, `state.safetensors` and `log.csv` into `folder`."""
    state = folder / "state.safetensors"
    for path in (state, folder / "weights.safetensors"):
        if path.exists() and not resume:
            raise LaaError(f"{path} exists already: go on with --resume, or choose another --output")
    known = Restorer.load(init_from, torch.device("cpu")).network if init_from else None
    trainer = Trainer(known.config if isinstance(known, LAATransformer) else model, config, choose_device(device))
    if isinstance(known, LAATransformer):
        trainer.start_from(known)
    if resume:
        trainer.resume(state)
    faces = read_faces(data, STORED_FACE_PX)
    validation = read_faces([held_out], HR_FACE_PX)
    screen.say(f"{len(faces)} faces for training, {len(validation)} for validation, on {trainer.device}")
    make_folder(folder)
    run(trainer, Batches(faces, config.batch_size, config.seed), validation, folder, screen)
    return finish(trainer, validation, folder, {"name": folder.name, "about": about, "training_faces": len(faces)}, screen)


def make_folder(folder: Path) -> None:
    """Makes the output folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LaaError(f"cannot make the folder {folder}: {error.strerror}") from error


def run(trainer: Trainer, batches: Batches, validation: Tensor, folder: Path, screen: Screen) -> None:
    """Trains until the budget is spent; Ctrl-C saves the state on its way out."""
    degrade = TASKS[trainer.config.task]
    progress, config, state = trainer.progress, trainer.config, folder / "state.safetensors"
    last, saved = time.monotonic(), progress.minutes
    losses: list[float] = []
    loss: Tensor | None = None
    try:
        while progress.minutes < config.minutes:
            faces, random = batches(progress.step)
            loss = trainer.step(degrade(faces.to(trainer.device), random))
            now = time.monotonic()
            progress.minutes, last = progress.minutes + (now - last) / 60, now
            due = progress.minutes - saved > config.save_minutes
            if due or progress.step % CHECK_STEPS == 0:
                losses.append(checked(loss.item(), progress.step))  # before saving: the last state must be a good one
            if due:
                trainer.save(state)
                report(trainer, validation[:GLANCE], folder, losses, screen)
                saved, losses = progress.minutes, []
    finally:
        if loss is not None and math.isfinite(loss.item()):
            trainer.save(state)


def checked(loss: float, step: int) -> float:
    """The loss, if training can go on with it."""
    if not math.isfinite(loss):
        raise LaaError(
            f"the loss is {loss} at step {step}: go on from the last state with --resume and a lower --learning-rate"
        )
    return loss


def finish(trainer: Trainer, validation: Tensor, folder: Path, about: dict[str, Any], screen: Screen) -> Path:
    """Validates on all faces and writes the weights with their card; `about`: what the card says of name and data."""
    figures = report(trainer, validation, folder, [], screen)
    training = about | {"hardware": hardware(trainer.device)} | asdict(trainer.config) | asdict(trainer.progress)
    card = Card(trainer.network.config, training.pop("name"), training, figures, TASKS[trainer.config.task].crop_px)
    path = folder / "weights.safetensors"
    write_atomically(path, save_bytes(trainer.average, card), overwrite=True)
    screen.say(f"{path}: {figures['gain_db']:+.2f} dB over bicubic after {trainer.progress.faces} faces")
    return path


def report(trainer: Trainer, validation: Tensor, folder: Path, losses: list[float], screen: Screen) -> dict[str, Any]:
    """Validates the moving average and adds a line to the log."""
    figures = measure(trainer.average, validation, trainer.device).summary()
    if trainer.config.task == "photo":
        figures["photo_gain_db"] = photo_gain_db(trainer.average, validation[:GLANCE], trainer.device)
    loss = sum(losses) / len(losses) if losses else math.nan
    row = asdict(trainer.progress) | {"loss": loss} | figures
    path = folder / "log.csv"
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)
    in_photos = f"{figures['photo_gain_db']:+.3f} dB in photos" if "photo_gain_db" in figures else ""
    screen.say(f"{row['minutes']:6.1f} min  {row['faces']:8} faces  loss {loss:.4f}  {figures['gain_db']:+.3f} dB {in_photos}")
    return figures


def hardware(device: torch.device) -> str:
    """What the run ran on."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
