"""`laa train`: reads the faces, trains until the schedule is spent, saves and reports on the way."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from models.laa.config import LAAConfig
from models.laa.network import LAATransformer
from models.laa.widen import widen
from models.protocol import HR_SIZE

from ..console import Screen
from ..errors import Exit, LaaError, out_of_memory
from ..restore.restorer import read_weights
from ..utils.atomic import remove_partial_files
from ..utils.hardware import choose_device, count_flops, keep_freed_memory, matrix_rate
from .calibration import calibrate
from .data import read
from .loader import EpochSampler, PrefetchLoader
from .loop import TrainingLoop
from .parallel import Distributed, process_group
from .recorder import STATE, WEIGHTS, Recorder
from .schedule import TrainConfig
from .tasks import TASKS
from .trainer import Trainer


@dataclass(frozen=True)
class TrainRequest:
    """Where a run's faces come from, where its results go, and how it starts.

    `about`: what the card says of the data. `widen_to`: base channels that the weights of `init_from` are to have.
    """

    data: list[Path]
    held_out: Path | None
    folder: Path
    about: str = ""
    resume: bool = False
    init_from: Path | None = None
    widen_to: int | None = None
    device: str = "auto"


def start(run: TrainRequest, model: LAAConfig, config: TrainConfig, screen: Screen) -> Path:
    """Trains, in this process or in those that torchrun started, and returns the path of the weights."""
    refuse_existing(run)
    with process_group() as world:
        world.check_batch_size(config.batch_size)
        train(run, model, config, world, screen if world.is_main else Screen(quiet=True))
    return run.folder / WEIGHTS


def network_width(run: TrainRequest, model: LAAConfig) -> int:
    """Base channels of the network that a run trains."""
    if run.init_from is None or run.widen_to is not None:
        return model.base_channels
    return read_weights(run.init_from)[1].config.base_channels


def refuse_existing(run: TrainRequest) -> None:
    """LaaError where another run's results are in the way."""
    for path in (run.folder / STATE, run.folder / WEIGHTS):
        if path.exists() and not run.resume:
            raise LaaError(f"{path} exists already: go on with --resume, or choose another --output")


def train(run: TrainRequest, model: LAAConfig, config: TrainConfig, world: Distributed, screen: Screen) -> None:
    """The run of one process."""
    device = choose_device(world.device_name(run.device))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if device.type == "cpu":
        keep_freed_memory()
    faces = read(run.data, run.held_out)
    origin = InitialWeights.of(run.init_from, run.widen_to) if run.init_from else None
    trainer = make_trainer(run, model, origin, config, device, len(faces.training), world)
    processes = f" in {world.size} processes" if world.size > 1 else ""
    screen.say(f"{len(faces.training)} faces for training, {len(faces.validation)} for validation, on {device}{processes}")
    make_folder(run.folder)
    if world.is_main:
        remove_partial_files(run.folder)
    about = {"name": run.folder.resolve().name, "about": run.about, "training_faces": len(faces.training)}
    about |= {"init_from": origin.history} if origin else {}
    recorder = Recorder(run.folder, faces.validation, about, screen)
    feed = PrefetchLoader(EpochSampler(faces.training, config.batch_size, config.seed), TASKS[config.task], device, world)
    try:
        training = TrainingLoop(
            trainer, feed, recorder, world, screen, least_s=min_seconds_per_face(trainer, device, world)
        ).run()
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise LaaError(f"not enough memory for --batch-size {config.batch_size}: choose a smaller one") from error
    if world.is_main:
        if config.task == "photo":
            recorder.fidelity_coefficients = calibrate(trainer.ema, faces.training, device)
        recorder.record(trainer, faces.validation, training)
        gain = f"{recorder.figures['gain_db']:+.2f} dB over bicubic"
        screen.say(f"{run.folder / WEIGHTS}: {gain} after {trainer.progress.faces} faces")


def min_seconds_per_face(trainer: Trainer, device: torch.device, world: Distributed) -> float:
    """Seconds that the matrix products of a face would take, if they were all, at the measured rate of all devices."""
    return training_flops_per_face(trainer.network.config) / (matrix_rate(device) * world.size)


def training_flops_per_face(config: LAAConfig) -> int:
    """Counts the FLOPs that one face takes in training, forward and backward; the backward pass takes twice the forward's."""
    with torch.device("meta"):
        return 3 * count_flops(LAATransformer(config), torch.empty(1, 3, config.image_size, config.image_size))


def make_trainer(
    run: TrainRequest,
    model: LAAConfig,
    origin: InitialWeights | None,
    config: TrainConfig,
    device: torch.device,
    set_size: int,
    world: Distributed,
) -> Trainer:
    """A new trainer, one that starts from weights, or one that goes on."""
    trainer = Trainer(origin.network.config if origin else model, config, device, set_size=set_size, world=world)
    if origin:
        trainer.load_weights(origin.network)
    if run.resume:
        trainer.resume(run.folder / STATE)
    return trainer


def make_folder(folder: Path) -> None:
    """Makes the output folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LaaError(f"cannot make the folder {folder}: {error.strerror}") from error


# Weights that a run starts from: as they are, or widened.


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


# From the command line's words to the network's configuration.


PAPER_WIDTH = LAAConfig().base_channels
KINDS = {"int": int, "float": float}
FIXED = {"base_channels": "is --width", "image_size": f"is {HR_SIZE} in the protocol"}


def parse_model_config(width: int, settings: list[str]) -> LAAConfig:
    """The network of --width and --set NAME=VALUE. Raises LaaError on what it has no setting for, or cannot build."""
    try:
        return LAAConfig.from_dict({"base_channels": width} | dict(map(parse_setting, settings)))
    except ValueError as error:
        raise LaaError(f"--set or --width: {error}", Exit.USAGE) from error


def parse_setting(text: str) -> tuple[str, int | float | str]:
    """One NAME=VALUE."""
    name, equals, value = text.partition("=")
    known = {field.name: str(field.type) for field in fields(LAAConfig) if field.name not in FIXED}
    if name in FIXED:
        raise LaaError(f"--set {name}: this {FIXED[name]}", Exit.USAGE)
    if not equals or name not in known:
        raise LaaError(f"--set takes NAME=VALUE with one of {', '.join(known)}, not {text!r}", Exit.USAGE)
    try:
        return name, KINDS.get(known[name], str)(value)
    except ValueError:
        raise LaaError(f"--set {name} takes a number, not {value!r}", Exit.USAGE) from None
