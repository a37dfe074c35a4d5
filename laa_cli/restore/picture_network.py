"""Networks that super-resolve whole pictures: ours, HPINet's authors', and others' by spandrel, behind one interface."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from models.checkpoint import BACKGROUND_WEIGHTS, CheckpointError, load
from models.hpinet.chunked import ChunkedHPINet
from models.hpinet.network import HPINet
from models.worker_pool import Workers

from ..errors import LaaError
from .restorer import Notice, silent

Rows = Callable[[int, int], Tensor]  # rows [a, b) of an output: (3, b - a, scale w) RGB, [0, 1] and beyond, on the CPU
TileSteps = Iterator[tuple[float, Rows | None]]
SHIPPED_NAME = "hpinet"


@dataclass(frozen=True)
class Tiling:
    """How a network wants its pictures: whole up to `whole_px` pixels, larger ones in squares of `side` px."""

    side: int
    whole_px: float = 0
    overlap: int = 32


class PictureNetwork(Protocol):
    """A network that enlarges pictures by `scale`.

    `coefficients`: of the fidelity estimator; without them nothing tells how far its pictures can be held to the photo.
    """

    name: str
    architecture: str
    scale: int
    parameters: int
    tiling: Tiling
    coefficients: tuple[float, ...]

    def run(self, tiles: Iterable[Tensor], count: int, workers: Workers) -> TileSteps:
        """Enlarges `count` tiles, (3, h, w) RGB in [0, 1] on the CPU each.

        Yields the share done, 0..1, and for each tile, in their order, what gives rows of its output.
        """

    def peak_bytes(self, height: int, width: int) -> int:
        """Estimates what a tile of this size takes in memory."""


class HPINetPicture:
    """HPINet, exact over a picture of up to four megapixels and in large tiles beyond: a PictureNetwork."""

    tiling = Tiling(side=1024, whole_px=4e6)

    def __init__(
        self, network: HPINet, device: torch.device, name: str = SHIPPED_NAME, coefficients: tuple[float, ...] = ()
    ) -> None:
        self.name, self.architecture, self.coefficients = name, "HPINet", coefficients
        self.scale = network.config.scale
        self.parameters = sum(parameter.numel() for parameter in network.parameters())
        self.device = device
        self.chunked = ChunkedHPINet(network.to(device))

    def run(self, tiles: Iterable[Tensor], count: int, workers: Workers) -> TileSteps:
        """Enlarges tiles one after the other: see `PictureNetwork`."""
        for number, tile in enumerate(tiles):
            rows = None
            steps = self.chunked.steps(tile.to(self.device), workers)
            while rows is None:
                try:
                    with torch.inference_mode():
                        share = next(steps)
                    yield (number + share) / count, None
                except StopIteration as end:
                    rows = end.value
            yield (number + 1) / count, on_cpu(rows)

    def peak_bytes(self, height: int, width: int) -> int:
        """Counts two feature maps and the picture, and what the workers have in hand."""
        return height * width * 4 * (2 * self.chunked.config.dim + 6) + (256 << 20)


def on_cpu(rows: Rows) -> Rows:
    """Brings rows to the CPU."""
    return lambda top, bottom: rows(top, bottom).float().cpu()


def load_picture_network(path: Path, device: torch.device, notice: Notice = silent) -> PictureNetwork:
    """Loads a file for `--background`. LaaError, in one line, where it cannot be used."""
    try:
        network, card = load(path)
    except OSError as error:
        raise LaaError(f"cannot read the background's network {path}: {error.strerror or error}") from error
    except CheckpointError as error:
        raise LaaError(f"cannot use the background's network {path}: the file {error}") from error
    if not isinstance(network, HPINet):
        raise LaaError(f"cannot use {path} for the background: it restores faces: give it as --weights")
    name = SHIPPED_NAME if path == BACKGROUND_WEIGHTS else path.stem
    return HPINetPicture(network, device, name, card.fidelity_coefficients)
