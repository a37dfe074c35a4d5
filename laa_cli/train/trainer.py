"""The trainer: a network with its optimiser and moving average, the training step, and the state to resume from."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from models.checkpoint import ModelConfig
from models.strict_json import parse_json
from models.tensor_file import TensorFileError, read_tensor_file, serialize

from ..errors import LaaError
from ..utils.atomic import write_atomically
from ..utils.inputs import NO_INPUTS, Inputs
from .divergence import DivergenceError
from .initial import ORIGIN
from .optimizer import SECOND_MOMENT, STEP, RunOptimizer
from .parallel import Distributed, ThreadedDataParallel
from .schedule import Progress, TrainConfig, learning_rate_factor, progress_fraction
from .tasks import TASKS
from .training_task import Samples


class DamagedStateError(ValueError):
    """A state that cannot be resumed from; the message says why, without the file's name and without what to do."""


class Trainer:
    """A network, its exponential moving average (EMA) and its optimiser, saved and resumed as one.

    `set_size`: training items of an epoch. `origin`: the history of the weights that it began with, empty for fresh ones.
    """

    def __init__(
        self,
        model: ModelConfig,
        config: TrainConfig,
        device: torch.device,
        *,
        set_size: int = 1,
        distributed: Distributed | None = None,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.task = TASKS[config.task]
        self.device = device
        self.set_size = set_size
        self.progress = Progress()
        self.origin: dict[str, Any] = {}
        self.network = self.task.build(model).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.optimizer = RunOptimizer(self.network, config)
        several = distributed is not None and distributed.world_size > 1
        self.ddp: nn.Module = DistributedDataParallel(self.network) if several else self.network
        by_threads = device.type == "cpu" and not several
        self.precision = self.task.precision(device)
        cores = torch.get_num_threads()
        self.threaded = ThreadedDataParallel(self.network, config.batch_size, cores, self.precision) if by_threads else None

    @property
    def progress_fraction(self) -> float:
        """The share of the schedule that is done: 1 at its end."""
        return progress_fraction(self.config, self.progress, self.set_size)

    @property
    def stage(self) -> int:
        """The stage of the task's curriculum that the next step is in."""
        return self.task.stage(self.progress_fraction)

    def step(self, samples: Samples) -> Tensor:
        """Updates the weights by this process's shard of a batch; returns its loss, ()."""
        loss = self.backward(samples)
        self.optimizer.step(learning_rate_factor(self.config, self.progress_fraction))
        self.progress.step += 1
        self.progress.faces += self.config.batch_size
        self.update_ema()
        return loss

    def backward(self, samples: Samples) -> Tensor:
        """Sets the gradients; returns the loss, ()."""
        if self.threaded is not None:
            return self.threaded.backward(self.loss, samples)
        loss = self.loss(self.ddp, samples)
        loss.backward()
        return loss.detach()

    def loss(self, network: nn.Module, samples: Samples) -> Tensor:
        """Computes the task's loss of what a network, in the task's precision, makes of the samples."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            output = network(*samples.network_inputs())
        return self.task.loss(output.float(), samples)

    @torch.no_grad()
    def update_ema(self) -> None:
        """Updates the EMA, which is validated and shipped; its decay is low at first, so that it forgets the start."""
        decay = min(self.config.ema, (1 + self.progress.step) / (10 + self.progress.step))
        averages, weights = list(self.ema.parameters()), list(self.network.parameters())
        torch._foreach_lerp_(averages, weights, 1 - decay)

    def load_weights(self, tensors: dict[str, Tensor], history: dict[str, Any]) -> None:
        """Copies trained weights, all or some of the network's; the optimiser starts afresh."""
        self.origin = history
        for target in (self.network, self.ema):
            target.load_state_dict(target.state_dict() | tensors)

    def state(self) -> dict[str, Tensor]:
        """Collects all tensors of a run by name: weights, moving average and the optimiser's moments."""
        tensors = self.network_state() | self.optimizer.state()
        return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}

    def network_state(self) -> dict[str, Tensor]:
        """Collects the weights and their moving average by name, as they are."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        return tensors | {f"average.{name}": value for name, value in self.ema.state_dict().items()}

    def save(self, path: Path, inputs: Inputs = NO_INPUTS) -> None:
        """Writes the run's state, from which `resume` goes on. LaaError where it cannot, DivergenceError for bad weights."""
        tensors = self.state()
        if not all(bool(value.isfinite().all()) for value in tensors.values()):
            raise DivergenceError(f"the weights are not finite at step {self.progress.step}")
        metadata = {name: repr(value) for name, value in asdict(self.progress).items()}
        if self.origin:
            metadata[ORIGIN] = json.dumps(self.origin)
        write_atomically(path, serialize(tensors, metadata | self.identity()), inputs=inputs, overwrite=True)

    def identity(self) -> dict[str, str]:
        """Lists what must be the same for a run to resume from a state: the network, and which items a step sees."""
        network = json.dumps(self.network.config.to_dict(), sort_keys=True)
        return {"network": network, "task": self.config.task, "training_faces": str(self.set_size)} | {
            name: str(getattr(self.config, name)) for name in ("batch_size", "seed", "optimizer")
        }

    def resume(self, path: Path, notice: Callable[[str], None] = lambda text: None) -> None:
        """Loads the state of a saved run. LaaError where the file is damaged or no state of such a run.

        `notice` is called with a line about a state that has no digest to check it by, as older versions wrote it.
        """
        try:
            file = read_tensor_file(path)
            self.check_identity(path, file.metadata)
            progress, origin = parse_progress(file.metadata), parse_origin(file.metadata)
            self.check_state(file.tensors, progress)
        except OSError as error:
            raise LaaError(f"cannot resume from {path}: {error.strerror or error}") from error
        except (TensorFileError, DamagedStateError) as error:
            advice = "go on from the run's weights with --init-from, in another --output"
            raise LaaError(f"cannot resume from {path}: the file {error}: {advice}") from error
        if not file.verified:
            notice(f"{path} is of an older laa and has no SHA-256 to check it by: the next save adds it")
        self.load_state(file.tensors)
        self.progress = progress
        if origin is not None:  # else that of the weights that the run is said to have begun with
            self.origin = origin

    def branch(self, path: Path, notice: Callable[[str], None] = lambda text: None) -> None:
        """Loads another run's state as the beginning of this one's schedule: see `resume`. `origin`: of that run's weights."""
        weights = self.origin
        self.origin = weights.get(ORIGIN, {})
        self.resume(path, notice)
        begun = {"faces": self.progress.faces, "minutes": self.progress.minutes}
        self.origin = weights | begun | ({ORIGIN: self.origin} if self.origin else {})
        self.progress.start_faces, self.progress.start_minutes = self.progress.faces, self.progress.minutes

    def check_identity(self, path: Path, metadata: dict[str, str]) -> None:
        """Raises LaaError where a state is of another run, and DamagedStateError where it is of none."""
        if unknown := sorted(metadata.keys() - self.identity().keys() - asdict(self.progress).keys() - {ORIGIN}):
            raise DamagedStateError(f"is no state of a run: it has {unknown[0][:50]!r}")
        for name, value in self.identity().items():
            found = metadata.get(name, {"training_faces": value, "optimizer": "adamw"}.get(name))  # which older states lack
            if found is None:
                raise DamagedStateError(f"is no state of a run: it lacks {name}")
            if found != value:
                raise LaaError(f"cannot resume from {path}: its {name} is {found[:300]}, this run's {value}")

    def check_state(self, tensors: dict[str, Tensor], progress: Progress) -> None:
        """Raises DamagedStateError that names the first tensor that does not fit the run, or has values that none can have."""
        optimizer = self.optimizer.expected_state()
        expected = self.network_state() | (optimizer if progress.step or optimizer.keys() & tensors.keys() else {})
        for name in sorted(expected.keys() ^ tensors.keys()):
            raise DamagedStateError(
                f"is damaged: {'it lacks' if name in expected else 'it has an unknown tensor'} {name[:100]}"
            )
        for name, tensor in tensors.items():
            if tensor.shape != expected[name].shape or tensor.dtype != torch.float32:
                raise DamagedStateError(f"is damaged: {name} is {tensor.dtype} {tuple(tensor.shape)}")
            kind = name.partition(".")[0]
            wrong = (kind == SECOND_MOMENT and bool((tensor < 0).any())) or (kind == STEP and tensor.item() != progress.step)
            if wrong or not tensor.isfinite().all():
                raise DamagedStateError(f"is damaged: {name} has values that cannot be")

    @torch.no_grad()
    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Loads the tensors that `state` collected."""
        self.network.load_state_dict(strip_prefix(tensors, "network."))
        self.ema.load_state_dict(strip_prefix(tensors, "average."))
        self.optimizer.load_state(tensors)


def parse_progress(metadata: dict[str, str]) -> Progress:
    """Reads a state's progress. DamagedStateError where it is none."""
    try:
        progress = Progress(
            int(metadata["step"]), int(metadata["faces"]), float(metadata["minutes"]),
            int(metadata.get("start_faces", "0")), float(metadata.get("start_minutes", "0")),  # which older states lack
        )  # fmt: skip
    except (KeyError, ValueError) as error:
        raise DamagedStateError(f"is damaged: its progress cannot be read ({str(error)[:100]})") from error
    in_order = 0 <= progress.start_faces <= progress.faces and 0 <= progress.start_minutes <= progress.minutes
    if not (in_order and 0 <= progress.step <= progress.faces < 2**53 and progress.minutes < math.inf):
        raise DamagedStateError("is damaged: its progress cannot be")
    return progress


def parse_origin(metadata: dict[str, str]) -> dict[str, Any] | None:
    """Reads the history of the weights that a run began with; None where it tells none. DamagedStateError where it is bad."""
    try:
        origin = parse_json(metadata[ORIGIN]) if ORIGIN in metadata else None
    except ValueError as error:
        raise DamagedStateError(f"is damaged: {ORIGIN} cannot be read ({str(error)[:100]})") from error
    if not isinstance(origin, dict | None):
        raise DamagedStateError(f"is damaged: {ORIGIN} is no history")
    return origin


def strip_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Selects the entries whose names have a prefix, and removes it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
