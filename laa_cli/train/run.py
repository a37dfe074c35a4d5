"""`laa train`: reads the faces, trains until the schedule is spent, saves and reports on the way."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.laa.config import LAAConfig
from models.laa.network import LAATransformer
from models.laa.widen import widen
from models.protocol import HR_SIZE

from ..console import Screen
from ..errors import LaaError, UsageError, out_of_memory
from ..faceset.format import check_exists, source_files, training_sources
from ..restore.restorer import Notice, read_weights
from ..utils.atomic import check_target
from ..utils.hardware import choose_device, count_flops, keep_freed_memory, matrix_rate
from ..utils.inputs import Inputs
from ..utils.partial import remove_partial_files
from ..utils.plotting import load_figure_class
from .data import FaceSplits, choose_validation_sources, read_splits
from .loader import EpochSampler, PrefetchLoader
from .loop import TrainingLoop
from .parallel import Distributed, process_group
from .recorder import FILES, STATE, WEIGHTS, Recorder
from .run_folder import check_resumable, describe_finished, is_finished, locked_folder
from .schedule import TrainConfig
from .trainer import Trainer

MATRIX_SIZE = {"cpu": 2048, "cuda": 8192}  # of the matrix product whose rate the log compares with
PAPER_WIDTH = LAAConfig().base_channels
SETTING_TYPES = {"int": int, "float": float}  # of the fields of LAAConfig by their annotation; the others are text
# Fields of LAAConfig that are no settings: why, and the parameters that the reason names.
FIXED_SETTINGS: dict[str, tuple[str, ...]] = {
    "base_channels": ("is width", "width"),
    "image_size": (f"is {HR_SIZE} in the protocol",),
}


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """Where a run's faces come from, where its results go, and how it starts.

    `validation`: None means the validation faces of prepared folders. `about`: what the weights' card says of the data.
    `width`: base channels that the weights of `init_from` are widened to.
    """

    data: list[Path]
    validation: Path | None = None
    folder: Path
    about: str = ""
    resume: bool = False
    init_from: Path | None = None
    width: int | None = None
    device: str = "auto"


def start(request: TrainRequest, model: LAAConfig, config: TrainConfig, screen: Screen) -> Path:
    """Trains, in this process or in those that torchrun started, and returns the path of the weights."""
    check_inputs(request)
    with process_group() as distributed:
        distributed.check_batch_size(config.batch_size)
        with locked_folder(request.folder, distributed, resume=request.resume):
            train(request, model, config, distributed, screen if distributed.is_main else Screen(quiet=True))
    return request.folder / WEIGHTS


def network_width(request: TrainRequest, model: LAAConfig) -> int:
    """Finds the base channels of the network that a run trains."""
    if request.init_from is None or request.width is not None:
        return model.base_channels
    return read_weights(request.init_from)[1].config.base_channels


def check_inputs(request: TrainRequest) -> None:
    """Raises LaaError where something that a run begins with is missing, before anything is made."""
    for path in (*request.data, *([request.validation] if request.validation else [])):
        check_exists(path)
    if request.resume:
        check_resumable(request.folder)


def read_inputs(request: TrainRequest) -> Inputs:
    """Looks at all files that a run reads. LaaError where one that it writes would replace one of them, or has no place."""
    sources = [source for path in request.data for source in training_sources(path)]
    sources += choose_validation_sources(request.data, request.validation)
    inputs = Inputs.of([*(path for source in sources for path in source_files(source)), request.init_from])
    for name in FILES:
        check_target(request.folder / name, inputs=inputs, overwrite=True)
    return inputs


def train(request: TrainRequest, model: LAAConfig, config: TrainConfig, distributed: Distributed, screen: Screen) -> None:
    """Trains in this process, one of those of `distributed`; the main one validates and saves."""
    device = prepare_device(distributed.device_name(request.device))
    faces = read_splits(request.data, request.validation)
    inputs = read_inputs(request)
    initial = InitialWeights.read(request.init_from, request.width, screen.notice) if request.init_from else None
    trainer = make_trainer(request, model, initial, config, device, len(faces.training), distributed)
    if request.resume:
        trainer.resume(request.folder / STATE, screen.notice)
    if is_finished(trainer, request.folder):
        screen.notice(describe_finished(trainer, request.folder))
        return
    processes = f" in {distributed.world_size} processes" if distributed.world_size > 1 else ""
    screen.say(f"{len(faces.training)} faces for training, {len(faces.validation)} for validation, on {device}{processes}")
    if distributed.is_main:
        remove_partial_files(request.folder, inputs)
    recorder = make_recorder(request, faces, initial, inputs, screen)
    try:
        figures = make_loop(trainer, faces.training, recorder, distributed, screen).run()
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise LaaError(f"not enough memory for --batch-size {config.batch_size}: choose a smaller one") from error
    if distributed.is_main:
        recorder.fidelity_coefficients = trainer.task.calibrate(trainer.ema, faces.training, device)
        recorder.record(trainer, faces.validation, figures)
        gain = f"{recorder.figures['gain_db']:+.2f} dB over bicubic"
        screen.say(f"{request.folder / WEIGHTS}: {gain} after {trainer.progress.faces} faces")


def prepare_device(name: str) -> torch.device:
    """Chooses the device and sets the process up for it."""
    device = choose_device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if device.type == "cpu":
        keep_freed_memory()
    return device


def training_flops_per_face(config: LAAConfig) -> int:
    """Counts the FLOPs that one face takes in training, forward and backward; the backward pass takes twice the forward's."""
    with torch.device("meta"):
        return 3 * count_flops(LAATransformer(config), torch.empty(1, 3, config.image_size, config.image_size))


def make_trainer(
    request: TrainRequest,
    model: LAAConfig,
    initial: InitialWeights | None,
    config: TrainConfig,
    device: torch.device,
    set_size: int,
    distributed: Distributed,
) -> Trainer:
    """Makes a new trainer, or one that starts from weights."""
    network = initial.network.config if initial else model
    trainer = Trainer(network, config, device, set_size=set_size, distributed=distributed)
    if initial:
        trainer.load_weights(initial.network)
    return trainer


def make_recorder(
    request: TrainRequest, faces: FaceSplits, initial: InitialWeights | None, inputs: Inputs, screen: Screen
) -> Recorder:
    """Makes the recorder, with what the weights' card says of their origin."""
    about: dict[str, Any] = {"name": request.folder.resolve().name, "about": request.about}
    about["training_faces"] = len(faces.training)
    if initial:
        about["init_from"] = initial.history
    load_figure_class()  # of the learning curve, for its errors
    return Recorder(request.folder, faces.validation, about, screen, inputs)


def make_loop(trainer: Trainer, faces: Tensor, recorder: Recorder, distributed: Distributed, screen: Screen) -> TrainingLoop:
    """Makes the loop over training faces (n, 3, s, s) uint8 RGB."""
    sampler = EpochSampler(faces, trainer.config.batch_size, trainer.config.seed)
    loader = PrefetchLoader(sampler, trainer.task, trainer.device, distributed)
    seconds = min_seconds_per_face(trainer, distributed)
    return TrainingLoop(trainer, loader, recorder, distributed, screen, min_seconds_per_face=seconds)


def min_seconds_per_face(trainer: Trainer, distributed: Distributed) -> float:
    """Computes a face's time at a model FLOPs utilization (MFU) of 1: its matrix products at all devices' measured rate."""
    rate = matrix_rate(trainer.device, MATRIX_SIZE.get(trainer.device.type))
    return training_flops_per_face(trainer.network.config) / (rate * distributed.world_size)


@dataclass(frozen=True)
class InitialWeights:
    """A trained network that a run starts from, and its history for the card of the weights that come of it."""

    network: LAATransformer
    history: dict[str, Any]

    @classmethod
    def read(cls, path: Path, width: int | None, notice: Notice) -> InitialWeights:
        """Reads weights, and widens them to `width` base channels. LaaError where that cannot be."""
        network, card = read_weights(path, notice)
        history: dict[str, Any] = {
            name: card.training[name] for name in ("faces", "minutes", "init_from") if name in card.training
        }
        history |= {"name": card.name, "base_channels": card.config.base_channels}
        if width is None or width == card.config.base_channels:
            return cls(network, history)
        try:
            return cls(widen(network, width), history)
        except ValueError as error:
            raise UsageError(f"width with init_from {path}: {error}", "width", "init_from") from error


def parse_model_config(width: int, settings: list[str]) -> LAAConfig:
    """Parses NAME=VALUE settings to the network's configuration. UsageError on a wrong name or value."""
    try:
        return LAAConfig.from_dict({"base_channels": width} | dict(map(parse_setting, settings)))
    except ValueError as error:
        raise UsageError(f"set or width: {error}", "set", "width") from error


def parse_setting(text: str) -> tuple[str, int | float | str]:
    """Parses one NAME=VALUE. UsageError names the option, `set`."""
    name, equals, value = text.partition("=")
    if name in FIXED_SETTINGS:
        reason, *parameters = FIXED_SETTINGS[name]
        raise UsageError(f"set {name}: this {reason}", "set", *parameters)
    types = {field.name: str(field.type) for field in fields(LAAConfig) if field.name not in FIXED_SETTINGS}
    if not equals or name not in types:
        raise UsageError(f"set takes NAME=VALUE with one of {', '.join(types)}, not {text!r}", "set")
    try:
        return name, SETTING_TYPES.get(types[name], str)(value)
    except ValueError:
        raise UsageError(f"set {name} takes a number, not {value!r}", "set") from None
