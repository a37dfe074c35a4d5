"""The trainer: a network with its optimiser and moving average, the training step, and the state to resume from."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from models.laa.config import LAAConfig
from models.laa.network import LAATransformer

from ..errors import LaaError
from ..utils.atomic import write_atomically
from ..utils.inputs import NO_INPUTS, Inputs
from .data import Samples
from .divergence import DivergenceError
from .optimizer import RunOptimizer
from .parallel import Distributed, ThreadedDataParallel
from .schedule import Progress, TrainConfig, learning_rate_factor, progress_fraction
from .tasks import TASKS


class Trainer:
    """A network, its exponential moving average (EMA) and its optimiser, saved and resumed as one.

    `set_size`: training faces of an epoch.
    """

    def __init__(
        self,
        model: LAAConfig,
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
        self.network = LAATransformer(model).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.optimizer = RunOptimizer(self.network, config)
        several = distributed is not None and distributed.world_size > 1
        self.ddp: nn.Module = DistributedDataParallel(self.network) if several else self.network
        by_threads = device.type == "cpu" and not several
        self.threaded = ThreadedDataParallel(self.network, config.batch_size, torch.get_num_threads()) if by_threads else None

    @property
    def progress_fraction(self) -> float:
        """The share of the schedule that is done: 1 at its end."""
        return progress_fraction(self.config, self.progress, self.set_size)

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
        """Computes the task's loss of what a network, in bfloat16 by autocast, makes of the samples."""
        with torch.autocast(self.device.type, torch.bfloat16):
            restored = network(samples.network_inputs())
        return self.task.loss(restored.float(), samples)

    @torch.no_grad()
    def update_ema(self) -> None:
        """Updates the EMA, which is validated and shipped; its decay is low at first, so that it forgets the start."""
        decay = min(self.config.ema, (1 + self.progress.step) / (10 + self.progress.step))
        averages, weights = list(self.ema.parameters()), list(self.network.parameters())
        torch._foreach_lerp_(averages, weights, 1 - decay)

    def load_weights(self, network: LAATransformer) -> None:
        """Copies trained weights; the optimiser starts afresh."""
        for target in (self.network, self.ema):
            target.load_state_dict(network.state_dict())

    def state(self) -> dict[str, Tensor]:
        """Collects all tensors of a run by name: weights, moving average and the optimiser's moments."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.ema.state_dict().items()}
        tensors |= self.optimizer.state()
        return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}

    def save(self, path: Path, inputs: Inputs = NO_INPUTS) -> None:
        """Writes the run's state, from which `resume` goes on. LaaError where it cannot, DivergenceError for bad weights."""
        tensors = self.state()
        if not all(bool(value.isfinite().all()) for value in tensors.values()):
            raise DivergenceError(f"the weights are not finite at step {self.progress.step}")
        metadata = {name: repr(value) for name, value in asdict(self.progress).items()}
        write_atomically(path, save(tensors, metadata | self.identity()), inputs=inputs, overwrite=True)

    def identity(self) -> dict[str, str]:
        """Lists what must be the same for a run to resume from a state: the network, and which faces a step sees."""
        network = json.dumps(self.network.config.to_dict(), sort_keys=True)
        return {"network": network, "task": self.config.task, "training_faces": str(self.set_size)} | {
            name: str(getattr(self.config, name)) for name in ("batch_size", "seed", "optimizer")
        }

    def resume(self, path: Path) -> None:
        """Loads the state of a saved run. LaaError where the file is no state of such a run."""
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        except (OSError, SafetensorError) as error:
            raise LaaError(f"cannot resume from {path}: {error}") from error
        for name, value in self.identity().items():
            found = metadata.get(name, {"training_faces": value, "optimizer": "adamw"}.get(name))  # which older states lack
            if found != value:
                raise LaaError(f"cannot resume from {path}: its {name} is {found}, this run's {value}")
        self.load_state(tensors)
        self.progress = Progress(int(metadata["step"]), int(metadata["faces"]), float(metadata["minutes"]))

    @torch.no_grad()
    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Loads the tensors that `state` collected."""
        self.network.load_state_dict(strip_prefix(tensors, "network."))
        self.ema.load_state_dict(strip_prefix(tensors, "average."))
        self.optimizer.load_state(tensors)


def strip_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Selects the entries whose names have a prefix, and removes it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
