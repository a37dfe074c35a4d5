"""A training run's state and its step: the paper's loss and optimiser (Sec. 4.2) on a schedule that fits a budget."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from models.config import LAAConfig
from models.network import LAATransformer
from models.protocol import network_input

from ..errors import Exit, LaaError
from ..files import write_atomically
from ..project import true_to_photo
from .degrade import TASKS, Samples


@dataclass(frozen=True)
class TrainConfig:
    """How to train. `task`: "protocol", the paper's, or "photo".

    Loss, optimiser, betas and weight decay are the paper's (Sec. 4.2). LaaError on senseless values.
    """

    minutes: float = 60.0
    task: str = "protocol"
    batch_size: int = 8
    learning_rate: float = 1.2e-3  # Assumption: 3 x the paper's, which a short schedule needs
    weight_decay: float = 0.02
    warmup: float = 0.03  # share of the budget
    ema: float = 0.999
    save_minutes: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Names the first value that is out of range."""
        if self.task not in TASKS:
            raise LaaError(f"--task must be one of {', '.join(TASKS)}, not {self.task!r}", Exit.USAGE)
        for name in ("minutes", "batch_size", "learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise LaaError(f"--{name.replace('_', '-')} must be above 0, not {getattr(self, name)}", Exit.USAGE)


@dataclass
class Progress:
    """Where a run stands; the rest of its state is in the tensors."""

    step: int = 0
    faces: int = 0
    minutes: float = 0.0


class Trainer:
    """A network, its moving average and its optimiser, saved and resumed as one."""

    def __init__(self, model: LAAConfig, config: TrainConfig, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.config, self.device, self.progress = config, device, Progress()
        self.network = LAATransformer(model).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), config.learning_rate, (0.9, 0.99), weight_decay=config.weight_decay, fused=True
        )

    def step(self, samples: Samples) -> Tensor:
        """One update; returns the L1 loss."""
        rate = self.config.learning_rate * schedule(self.progress.minutes / self.config.minutes, self.config.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast(self.device.type, torch.bfloat16):
            restored = self.network(torch.cat([network_input(crop[None]) for crop in samples.crops]))
        loss = l1(restored.float(), samples)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.progress.step += 1
        self.progress.faces += len(samples.truth)
        self.update_average()
        return loss.detach()

    @torch.no_grad()
    def update_average(self) -> None:
        """The exponential moving average that is validated and shipped; short at first, so that it forgets the start."""
        decay = min(self.config.ema, (1 + self.progress.step) / (10 + self.progress.step))
        averages, weights = list(self.average.parameters()), list(self.network.parameters())
        torch._foreach_lerp_(averages, weights, 1 - decay)

    def start_from(self, network: LAATransformer) -> None:
        """Takes over trained weights; the optimiser starts afresh."""
        for ours in (self.network, self.average):
            ours.load_state_dict(network.state_dict())

    def state(self) -> dict[str, Tensor]:
        """All tensors of a run: weights, moving average and the optimiser's moments."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            tensors |= {f"{key}.{name}": value for key, value in self.optimizer.state[parameter].items()}
        return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}

    def save(self, path: Path) -> None:
        """Writes the run's state, from which `resume` goes on."""
        metadata = {name: repr(value) for name, value in asdict(self.progress).items()}
        write_atomically(path, save(self.state(), metadata | self.identity()), overwrite=True)

    def identity(self) -> dict[str, str]:
        """What must be the same for a run to go on with a state: the network, and which faces a step sees."""
        network = json.dumps(self.network.config.to_dict(), sort_keys=True)
        return {"network": network, "task": self.config.task} | {
            name: str(getattr(self.config, name)) for name in ("batch_size", "seed")
        }

    def resume(self, path: Path) -> None:
        """Takes up a saved run. LaaError where the file is no state of such a run."""
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        except (OSError, SafetensorError) as error:
            raise LaaError(f"cannot resume from {path}: {error}") from error
        for name, value in self.identity().items():
            if metadata.get(name) != value:
                raise LaaError(f"cannot resume from {path}: its {name} is {metadata.get(name)}, this run's {value}")
        self.take(tensors)
        self.progress = Progress(int(metadata["step"]), int(metadata["faces"]), float(metadata["minutes"]))

    @torch.no_grad()
    def take(self, tensors: dict[str, Tensor]) -> None:
        """Fills in what `state` gave."""
        self.network.load_state_dict(part(tensors, "network."))
        self.average.load_state_dict(part(tensors, "average."))
        for name, parameter in self.network.named_parameters():
            if f"step.{name}" not in tensors:  # saved before the first step
                continue
            # The fused optimiser walks through memory: the moments must lie there in the weights' own order.
            moments = {key: torch.empty_like(parameter).copy_(tensors[f"{key}.{name}"]) for key in ("exp_avg", "exp_avg_sq")}
            self.optimizer.state[parameter] = {"step": tensors[f"step.{name}"].to(self.device), **moments}


def l1(restored: Tensor, samples: Samples) -> Tensor:
    """The paper's loss (Sec. 4.2); of faces that are projected, half of it after the projection that `upscale` makes.

    The other half keeps the network's own answer near the face: how far it is from the crop tells how noisy the crop is.
    """
    losses = [(restored - samples.truth).abs().mean()]
    chosen = [index for index, projected in enumerate(samples.projected) if projected]
    for index in chosen:
        face = true_to_photo(restored[index : index + 1], samples.crops[index][None])
        before, after = ((image - samples.truth[index]).abs().mean() for image in (restored[index], face[0]))
        losses.append((after - before) / (2 * len(restored)))
    return torch.stack(losses).sum()


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries under a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def schedule(done: float, warmup: float) -> float:
    """Learning-rate factor at a share `done` of the budget: linear warm-up, then half a cosine to zero."""
    if done < warmup:
        return max(done / warmup, 0.01)
    return 0.5 + 0.5 * math.cos(math.pi * min(1.0, (done - warmup) / (1 - warmup)))
