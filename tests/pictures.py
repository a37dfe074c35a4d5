"""What tests of the background share: small networks for whole pictures, and a fake one."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from laa_cli.restore.picture_interface import TileSteps
from laa_cli.restore.picture_tiles import Tiling
from models.checkpoint import HPINET, ModelCard, save_bytes
from models.hpinet.config import HPINetConfig
from models.hpinet.network import HPINet
from models.protocol import resize
from models.worker_pool import Workers

Result = TypeVar("Result")
WHOLE = Tiling(1024, 1e9)
SMALL_HPINET = HPINetConfig(dim=8, qk_dim=4, mlp_dim=8, patch_sizes=(8, 12), layers=2, tail="one_step")


def run_steps(steps: Generator[float, None, Result]) -> Result:
    """Runs to the end, and checks that the share done rises from 0 to 1."""
    shares = [0.0]
    try:
        while True:
            shares.append(next(steps))
    except StopIteration as end:
        assert shares == sorted(shares)
        assert shares[-1] <= 1
        result: Result = end.value
        return result


class FakePicture:
    """A PictureNetwork: the plain enlargement of each tile, plus what `detail` adds to it, (1, 3, h, w) -> the same."""

    name, architecture, parameters = "fake", "Fake", 0

    def __init__(self, scale: int = 4, tiling: Tiling = WHOLE, coefficients: tuple[float, ...] = (), detail: float = 0) -> None:
        self.scale, self.tiling, self.coefficients, self.detail = scale, tiling, coefficients, detail
        self.seen: list[tuple[int, ...]] = []

    def run(self, tiles: Iterable[Tensor], count: int, workers: Workers) -> TileSteps:
        for number, tile in enumerate(tiles):
            self.seen.append(tuple(tile.shape))
            yield number / count, None
            output = resize(tile[None], (tile.shape[1] * self.scale, tile.shape[2] * self.scale))[0] + self.detail
            yield (number + 1) / count, partial(lambda output, top, bottom: output[:, top:bottom], output)

    def tile_bytes(self, height: int, width: int, workers: int) -> int:
        return 1000 * height * width


def small_hpinet(config: HPINetConfig = SMALL_HPINET) -> HPINet:
    """An HPINet with random weights, whose picture is the plain enlargement with some texture of its own."""
    torch.manual_seed(0)
    network = HPINet(config)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    for parameter in network.tail.parameters():
        parameter.data *= 0.02
    return network.eval()


def save_hpinet(path: Path, config: HPINetConfig = SMALL_HPINET, coefficients: tuple[float, ...] = ()) -> Path:
    """Writes such a network as laa's checkpoint."""
    card = ModelCard(config, "background", crop_px=None, fidelity_coefficients=coefficients, architecture=HPINET.name)
    path.write_bytes(save_bytes(small_hpinet(config), card))
    return path
