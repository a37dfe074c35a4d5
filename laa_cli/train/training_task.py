"""What a training task is: everything in which training faces, say, differs from training the background.

Trainer, loop, loader and recorder go by this alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import torch
from torch import Tensor, nn

from models.checkpoint import ARCHITECTURES, ModelConfig

from .schedule import Defaults

Notice = Callable[[str], None]  # says a line to people


class Samples(Protocol):
    """A training batch: what the network takes, and what the task's loss needs."""

    def network_inputs(self) -> tuple[Tensor, ...]:
        """Returns the network's positional inputs, of n samples each."""

    def shard(self, rank: int, world_size: int) -> Self:
        """Takes the slice of the batch that belongs to one of `world_size` processes or threads."""


class TrainingSet(Protocol):
    """What batches are drawn from: `len` items of an epoch, selected by their indices; a tensor is one."""

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""

    def __len__(self) -> int: ...

    def __getitem__(self, indices: list[int]) -> Self: ...

    def to(self, device: torch.device) -> Self:
        """Moves it to a device."""


@dataclass(frozen=True)
class Splits:
    """The two splits of the data. `validation`: in the task's own form."""

    training: Any  # TrainingSet
    validation: Any


@dataclass(frozen=True)
class InitialWeights:
    """Trained weights that a run starts from: the configuration, the tensors, all of them or some, and their history."""

    config: Any  # ModelConfig
    tensors: dict[str, Tensor]
    history: dict[str, Any]


class TrainingTask(ABC):
    """What a network is trained for: its data, how samples are made of them, the loss, and what is measured.

    `noun`: what its samples are for people. `architecture`: a key of ARCHITECTURES. `crop_px`: smallest and largest side of
    its crops, for the card. `gain_label`: what `gain_db` of `measure` is called, `gain_labels`: its other gains in dB by column
    of the log, and how each is called. A new task is a class, an entry in TASKS and its name in `TASK_NAMES`.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    architecture: ClassVar[str]
    crop_px: ClassVar[tuple[int, int] | None]
    gain_label: ClassVar[str]
    gain_labels: ClassVar[dict[str, str]] = {}

    # The network

    @abstractmethod
    def parse_network(self, width: int | None, scale: int | None, settings: list[str]) -> ModelConfig:
        """Parses the network's settings, None where they were not given. UsageError on a wrong one."""

    @abstractmethod
    def read_initial(self, path: Path, width: int | None, scale: int | None, notice: Notice) -> InitialWeights:
        """Reads weights to start from, changed to a width or scale. LaaError where that cannot be."""

    @abstractmethod
    def defaults(self, config: Any, *, on_cpu: bool, has_budget: bool) -> Defaults:
        """Chooses optimiser, batch size and learning rates for a network."""

    @abstractmethod
    def training_flops(self, config: Any) -> int:
        """Counts the FLOPs that one sample takes in training, forward and backward."""

    def build(self, config: Any) -> nn.Module:
        """Makes the network with fresh parameters."""
        return ARCHITECTURES[self.architecture].build(config)

    def precision(self, device: torch.device) -> torch.dtype:
        """Chooses what the network computes in while it is trained: bfloat16 by autocast, or float32."""
        return torch.bfloat16

    # The data

    @abstractmethod
    def sources(self, data: list[Path], validation: Path | None) -> list[Path]:
        """Lists the folders and files that `read` reads. LaaError where there is none for validation."""

    @abstractmethod
    def read(self, data: list[Path], validation: Path | None, config: Any, notice: Notice) -> Splits:
        """Reads training and validation data, checked to have nothing in common. LaaError."""

    def count(self, splits: Splits) -> tuple[int, str]:
        """Counts what there is for training, and names it for people."""
        return len(splits.training), self.noun

    # Training

    def stage(self, fraction: float) -> int:
        """Tells the stage of the curriculum at a fraction of the schedule; samples depend on it and on the step alone."""
        return 0

    @abstractmethod
    def make_samples(self, items: Any, random: torch.Generator, stage: int = 0) -> Samples:
        """Makes training pairs of items of the training set, on their device."""

    @abstractmethod
    def loss(self, output: Tensor, samples: Any) -> Tensor:
        """Computes the loss, (), a mean over the samples, of the network's output in float32."""

    # Validation

    @abstractmethod
    def measure(self, network: nn.Module, validation: Any, device: torch.device, *, quick: bool) -> dict[str, Any]:
        """Measures a network on validation data, `quick`: on some of them, in seconds.

        The columns `validated_faces`, `psnr_db` and `gain_db` are always there, those of `gain_labels` beside them.
        """

    @abstractmethod
    def preview(self, network: nn.Module, validation: Any, device: torch.device) -> bytes:
        """Draws what the network makes of a few validation data, always the same, as a PNG."""

    def calibrate(self, network: nn.Module, training: Any, device: torch.device) -> tuple[float, ...]:
        """Fits the coefficients of the fidelity estimator to training data; none by default."""
        return ()

    def calibrate_doubt(
        self, network: Any, fidelity_coefficients: tuple[float, ...], training: Any, device: torch.device
    ) -> tuple[float, ...]:
        """Fits the coefficients of the error bars to training data, the fidelity's being fitted; none by default."""
        return ()
