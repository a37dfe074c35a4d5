"""Networks that super-resolve whole pictures: ours and HPINet's authors' here, all others by spandrel."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from models.checkpoint import BACKGROUND_WEIGHTS, METADATA_KEY, CheckpointError, load
from models.hpinet.authors import is_authors_state, read_authors_state
from models.hpinet.chunked import ChunkedHPINet
from models.hpinet.network import HPINet
from models.worker_pool import Workers

from ..errors import LaaError, out_of_memory
from .fidelity import FEATURES
from .picture_interface import PictureNetwork, Rows, TileSteps
from .picture_tiles import Tiling
from .restorer import Notice, silent
from .spandrel_loading import ForeignFileError, describe_network, read_foreign_tensors
from .spandrel_picture import SpandrelPicture

__all__ = ["HPINetPicture", "PictureNetwork", "load_picture_network"]

SHIPPED_NAME = "hpinet"
WHOLE_PX = 4e6  # of a picture that HPINet takes whole; beyond, feature maps take too much memory, and matching too much time
TILE_PX = 1024
PICTURE_CHANNELS = 6  # floats for each pixel beside the feature maps
WORKER_BYTES = 32 << 20  # what a worker has in hand


class HPINetPicture:
    """HPINet, exact over a picture of up to four megapixels: a PictureNetwork."""

    tiling = Tiling(TILE_PX, WHOLE_PX)

    def __init__(self, network: HPINet, name: str, device: torch.device, coefficients: tuple[float, ...] = ()) -> None:
        self.name, self.architecture, self.coefficients = name, "HPINet", coefficients
        self.scale = network.config.scale
        self.parameters = sum(parameter.numel() for parameter in network.parameters())
        self.device = device
        self.chunked = ChunkedHPINet(network.to(device))

    def run(self, tiles: Iterable[Tensor], count: int, workers: Workers) -> TileSteps:
        """Enlarges tiles one after the other: see `PictureNetwork`."""
        some = workers if self.device.type == "cpu" else workers.at_most(1)
        for number, tile in enumerate(tiles):
            steps, rows = self.chunked.steps(tile.to(self.device), some), None
            while rows is None:
                try:
                    with torch.inference_mode():  # not across a yield, where others would be in it
                        share = next(steps)
                except StopIteration as end:
                    rows = end.value
                else:
                    yield (number + share) / count, None
            yield (number + 1) / count, on_cpu(rows)

    def tile_bytes(self, height: int, width: int, workers: int) -> int:
        """Counts two feature maps, the picture, and what the workers have in hand: see `PictureNetwork`."""
        return height * width * 4 * (2 * self.chunked.config.dim + PICTURE_CHANNELS) + workers * WORKER_BYTES


def on_cpu(rows: Rows) -> Rows:
    """Brings rows to the CPU."""
    return lambda top, bottom: rows(top, bottom).cpu()


def load_picture_network(path: Path, device: torch.device, notice: Notice = silent) -> PictureNetwork:
    """Loads a file for `--background`: laa's, one of HPINet's authors, or any single-picture network that spandrel knows.

    `notice` is called with a line about a file that nothing tells the wholeness of. LaaError where it cannot be used.
    """
    try:
        return load_laa(path, device, notice) if is_laa_file(path) else load_foreign(path, device)
    except OSError as error:
        raise LaaError(f"cannot read the background's network {path}: {error.strerror or error}") from error
    except (CheckpointError, ForeignFileError) as error:
        raise LaaError(
            f"cannot use {path} for the background: the file {error}".replace("--weights", "--background")
        ) from error
    except ImportError as error:
        raise LaaError(f"{path} needs spandrel ({error}): pip install 'laa[spandrel]'") from error
    except (RuntimeError, MemoryError) as error:
        if out_of_memory(error):
            raise LaaError(f"not enough memory for the background's network {path}") from error
        raise


def is_laa_file(path: Path) -> bool:
    """Tells a checkpoint of laa by the start of its file, after the header's length."""
    with path.open("rb") as file:
        return file.read(64)[8:].startswith(b'{"__metadata__":{"%s":' % METADATA_KEY.encode())


def load_laa(path: Path, device: torch.device, notice: Notice) -> HPINetPicture:
    """Loads a checkpoint of laa. CheckpointError, LaaError or OSError where that fails."""
    network, card = load(path)
    if not isinstance(network, HPINet):
        raise LaaError(f"cannot use {path} for the background: its network restores faces: give it as --weights")
    if card.fidelity_coefficients and len(card.fidelity_coefficients) != FEATURES:
        raise LaaError(f"cannot use {path} for the background: it is of another version of laa")
    if not card.verified:
        notice(f"{path} has no SHA-256 to check it by")
    name = SHIPPED_NAME if path == BACKGROUND_WEIGHTS else path.stem
    return HPINetPicture(network, name, device, card.fidelity_coefficients)


def load_foreign(path: Path, device: torch.device) -> PictureNetwork:
    """Loads another project's file. ForeignFileError, ImportError, LaaError or OSError where that fails."""
    tensors = read_foreign_tensors(path)
    if not is_authors_state(tensors):
        return SpandrelPicture(describe_network(tensors, device), path.stem, device)
    try:
        return HPINetPicture(read_authors_state(tensors), path.stem, device)
    except ValueError as error:
        raise ForeignFileError(str(error)) from error
