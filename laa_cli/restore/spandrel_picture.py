"""A network of another project over a whole picture, always in tiles, each by one thread."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from models.hpinet.network import pad_to
from models.worker_pool import Workers

from ..errors import LaaError, out_of_memory
from ..utils.memory import available_bytes
from .picture_interface import TileSteps
from .picture_tiles import Tiling
from .spandrel_loading import ForeignFileError, first_line

SCALES = (2, 3, 4, 8)
TILE_PX, DISCOURAGED_TILE_PX = 256, 512  # a larger tile where the network's descriptor advises against any
LEAST_PX = 16  # of a tile; smaller ones are padded by reflection
PROBE_PX = 32  # of the picture that shows whether the network works at all
BYTES_PER_OUTPUT_PIXEL = 1024  # that a tile takes: some four maps of 64 channels
MEMORY_SHARE = 0.5  # of the free memory, for tiles that are computed at once


class SpandrelPicture:
    """A PictureNetwork by spandrel's descriptor.

    Raises ForeignFileError where it has another scale than SCALES, or makes nothing of a small picture, and LaaError where it
    fails on that.
    """

    coefficients: tuple[float, ...] = ()

    def __init__(self, model: Any, name: str, device: torch.device) -> None:
        self.model, self.name, self.device = model, name, device
        self.architecture, self.scale = str(model.architecture.name), int(model.scale)
        self.parameters = sum(parameter.numel() for parameter in model.model.parameters())
        self.tiling = choose_tiling(model)
        if self.scale not in SCALES:
            allowed = ", ".join(map(str, SCALES))
            raise ForeignFileError(f"is of a {self.architecture} that enlarges {self.scale} times: {allowed} are possible")
        if not self.enlarge(torch.full((3, PROBE_PX, PROBE_PX), 0.5)).isfinite().all():
            raise ForeignFileError(f"is damaged: its {self.architecture} gives no finite numbers")

    def run(self, tiles: Iterable[Tensor], count: int, workers: Workers) -> TileSteps:
        """Enlarges tiles, as many at once as there are workers and memory: see `PictureNetwork`."""
        some = workers.at_most(self.tiles_at_once(workers.count)) if self.device.type == "cpu" else workers.at_most(1)
        for number, output in enumerate(some.map(self.enlarge, tiles)):
            yield (number + 1) / count, partial(rows_of, output)

    def enlarge(self, tile: Tensor) -> Tensor:
        """Enlarges a tile: (3, h, w) -> (3, scale h, scale w)."""
        height, width = tile.shape[1:]
        padded = pad_to(tile[None], max(LEAST_PX, self.model.size_requirements.minimum))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # some of spandrel's networks call torch as one did years ago
                output = self.model(padded.to(self.device)).float().cpu()[0]
        except Exception as error:  # whatever foreign code raises
            if out_of_memory(error):
                raise
            raise LaaError(f"{self.name} fails on a picture of {width}x{height}: {first_line(error)}") from error
        if output.shape != (3, padded.shape[2] * self.scale, padded.shape[3] * self.scale):
            raise LaaError(f"{self.name} makes {tuple(output.shape)} of a picture of {tuple(padded.shape[1:])}")
        return output[:, : height * self.scale, : width * self.scale]

    def tiles_at_once(self, workers: int) -> int:
        """Chooses how many tiles memory suffices for, at most one for each worker."""
        available = available_bytes()
        one = (self.tiling.side * self.scale) ** 2 * BYTES_PER_OUTPUT_PIXEL
        return workers if available is None else max(1, min(workers, int(available * MEMORY_SHARE) // one))

    def tile_bytes(self, height: int, width: int, workers: int) -> int:
        """Estimates the memory for as many tiles as are computed at once: see `PictureNetwork`."""
        return self.tiles_at_once(workers) * height * width * self.scale**2 * BYTES_PER_OUTPUT_PIXEL


def rows_of(output: Tensor, top: int, bottom: int) -> Tensor:
    """Returns rows of an output (3, h, w)."""
    return output[:, top:bottom]


def choose_tiling(model: Any) -> Tiling:
    """Chooses tiles by spandrel's descriptor; whole pictures where the network divides them itself."""
    from spandrel import ModelTiling

    if model.tiling == ModelTiling.INTERNAL:
        return Tiling(side=TILE_PX, whole_px=math.inf)
    side = DISCOURAGED_TILE_PX if model.tiling == ModelTiling.DISCOURAGED else TILE_PX
    multiple = model.size_requirements.multiple_of
    return Tiling(side=max(-(-side // multiple) * multiple, model.size_requirements.minimum))
