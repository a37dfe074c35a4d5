"""`laa train`: reads the faces, trains until the schedule is spent, saves and reports on the way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from models.checkpoint import ModelConfig

from ..console import Screen
from ..errors import LaaError, UsageError, out_of_memory
from ..faceset.format import check_exists, source_files
from ..utils.atomic import check_target
from ..utils.hardware import choose_device, keep_freed_memory, matrix_rate
from ..utils.inputs import Inputs
from ..utils.partial import remove_partial_files
from ..utils.plotting import load_figure_class
from .initial import ORIGIN
from .loader import EpochSampler, PrefetchLoader
from .loop import TrainingLoop
from .parallel import Distributed, process_group
from .recorder import FILES, STATE, WEIGHTS, Recorder
from .run_folder import check_resumable, describe_finished, is_finished, locked_folder
from .schedule import TrainConfig
from .tasks import TASKS
from .trainer import Trainer
from .training_task import Splits, TrainingSet, TrainingTask

MATRIX_SIZE = {"cpu": 2048, "cuda": 8192}  # of the matrix product whose rate the log compares with


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """Where a run's data come from, where its results go, and how it starts.

    `validation`: None means the validation faces of prepared folders. `about`: what the weights' card says of the data.
    `branch_from`: the folder of a run whose state this one starts from.
    `width`, `scale`: base channels that the weights of `init_from` are widened to, or the scale that they are changed to.
    """

    data: list[Path]
    validation: Path | None = None
    folder: Path
    about: str = ""
    resume: bool = False
    init_from: Path | None = None
    branch_from: Path | None = None
    width: int | None = None
    scale: int | None = None
    device: str = "auto"

    @property
    def initial_weights(self) -> Path | None:
        """The weights whose network it trains, or None."""
        return self.branch_from / WEIGHTS if self.branch_from is not None else self.init_from


def start(request: TrainRequest, model: ModelConfig, config: TrainConfig, screen: Screen) -> Path:
    """Trains, in this process or in those that torchrun started, and returns the path of the weights."""
    check_inputs(request)
    with process_group() as distributed:
        distributed.check_batch_size(config.batch_size)
        with locked_folder(request.folder, distributed, resume=request.resume):
            train(request, model, config, distributed, screen if distributed.is_main else Screen(quiet=True))
    return request.folder / WEIGHTS


def network_config(request: TrainRequest, model: ModelConfig, task: TrainingTask) -> ModelConfig:
    """Finds the configuration of the network that a run trains."""
    if request.initial_weights is None:
        return model
    return task.read_initial(request.initial_weights, request.width, request.scale, lambda text: None).config


def check_inputs(request: TrainRequest) -> None:
    """Raises LaaError where something that a run begins with is missing, before anything is made."""
    for path in (*request.data, *([request.validation] if request.validation else [])):
        check_exists(path)
    if request.resume:
        check_resumable(request.folder)
    if request.branch_from is not None:
        check_resumable(request.branch_from)
        if request.branch_from.resolve() == request.folder.resolve():
            raise UsageError("output is branch_from: a branch has a folder of its own", "output", "branch_from")


def read_inputs(request: TrainRequest, task: TrainingTask) -> Inputs:
    """Looks at all files that a run reads. LaaError where one that it writes would replace one of them, or has no place."""
    sources = task.sources(request.data, request.validation)
    inputs = Inputs.of([*(path for source in sources for path in source_files(source)), request.initial_weights])
    for name in FILES:
        check_target(request.folder / name, inputs=inputs, overwrite=True)
    return inputs


def train(request: TrainRequest, model: ModelConfig, config: TrainConfig, distributed: Distributed, screen: Screen) -> None:
    """Trains in this process, one of those of `distributed`; the main one validates and saves."""
    task = TASKS[config.task]
    device = prepare_device(distributed.device_name(request.device))
    initial = None
    if request.initial_weights is not None:
        initial = task.read_initial(request.initial_weights, request.width, request.scale, screen.notice)
    model = initial.config if initial else model
    splits = task.read(request.data, request.validation, model, screen.notice)
    inputs = read_inputs(request, task)
    trainer = Trainer(model, config, device, set_size=len(splits.training), distributed=distributed)
    if initial:
        trainer.load_weights(initial.tensors, initial.history)
    if request.resume:
        trainer.resume(request.folder / STATE, screen.notice)
    elif request.branch_from is not None:
        trainer.branch(request.branch_from / STATE, screen.notice)
    if is_finished(trainer, request.folder):
        screen.notice(describe_finished(trainer, request.folder))
        return
    processes = f" in {distributed.world_size} processes" if distributed.world_size > 1 else ""
    count, what = task.count(splits)
    screen.say(f"{count} {what} for training, {len(splits.validation)} for validation, on {device}{processes}")
    if distributed.is_main:
        remove_partial_files(request.folder, inputs)
    recorder = make_recorder(request, task, splits, trainer.origin, inputs, screen)
    try:
        figures = make_loop(trainer, splits.training, recorder, distributed, screen).run()
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise LaaError(f"not enough memory for --batch-size {config.batch_size}: choose a smaller one") from error
    if distributed.is_main:
        recorder.fidelity_coefficients = task.calibrate(trainer.ema, splits.training, device)
        recorder.doubt_coefficients = task.calibrate_doubt(trainer.ema, recorder.fidelity_coefficients, splits.training, device)
        recorder.record(trainer, figures)
        gain = f"{recorder.figures['gain_db']:+.2f} dB over bicubic"
        screen.say(f"{request.folder / WEIGHTS}: {gain} after {trainer.progress.faces} {task.noun}")


def prepare_device(name: str) -> torch.device:
    """Chooses the device and sets the process up for it."""
    device = choose_device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if device.type == "cpu":
        keep_freed_memory()
    return device


def make_recorder(
    request: TrainRequest,
    task: TrainingTask,
    splits: Splits,
    origin: dict[str, Any],
    inputs: Inputs,
    screen: Screen,
) -> Recorder:
    """Makes the recorder, with what the weights' card says of their origin: `origin` is the trainer's."""
    about: dict[str, Any] = {"name": request.folder.resolve().name, "about": request.about}
    count, what = task.count(splits)
    about[f"training_{what}"] = count
    if origin:
        about[ORIGIN] = origin
    load_figure_class()  # of the learning curve, for its errors
    return Recorder(request.folder, splits.validation, about, screen, inputs)


def make_loop(
    trainer: Trainer, items: TrainingSet, recorder: Recorder, distributed: Distributed, screen: Screen
) -> TrainingLoop:
    """Makes the loop over the items of a training set."""
    sampler = EpochSampler(items, trainer.config.batch_size, trainer.config.seed)
    loader = PrefetchLoader(sampler, trainer.task, trainer.device, distributed)
    seconds = min_seconds_per_sample(trainer, distributed)
    return TrainingLoop(trainer, loader, recorder, distributed, screen, min_seconds_per_sample=seconds)


def min_seconds_per_sample(trainer: Trainer, distributed: Distributed) -> float:
    """Computes a sample's time at a model FLOPs utilization (MFU) of 1: its matrix products at all devices' measured rate."""
    rate = matrix_rate(trainer.device, MATRIX_SIZE.get(trainer.device.type))
    return trainer.task.training_flops(trainer.network.config) / (rate * distributed.world_size)
