"""Background upscalers that `laa bench background` compares: bicubic, networks alone, and networks as `upscale` runs them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from models.checkpoint import BACKGROUND_WEIGHTS
from models.worker_pool import one_thread_workers

from ..console import Screen
from ..errors import UsageError
from ..options import SCALES
from ..photo.pixels import gray_to_color
from ..photo.resample import enlarge_8bit
from ..restore.picture_network import PictureNetwork, load_picture_network
from ..restore.picture_upscaler import PictureUpscaler
from ..restore.restorer import Notice, silent
from ..utils.steps import run_to_end
from .degradation import Levels, to_tensor, to_uint8
from .evaluate import BICUBIC, weights_name
from .speed_models import picture_peers

Enlarge = Callable[[Levels], Levels]  # (h, w, c) uint8, grey or RGB -> (scale h, scale w, c) uint8, or RGB of grey
PictureKind = Literal["baseline", "network", "upscale", "time only"]


@dataclass(frozen=True)
class PictureMethod:
    """A way from a photo to `scale` times its size, which any process can build. `path`: of the network's file, if any.

    `parameters` is None where there is no network.
    """

    name: str
    kind: PictureKind
    scale: int
    path: Path | None = None
    parameters: int | None = None
    note: str = ""

    def build(self, device: torch.device) -> Enlarge:
        """Loads what it needs, on a device. LaaError where that cannot be."""
        if self.kind == "time only":
            return run_whole(build_peer(self.name, self.scale), device)
        if self.path is None:
            return partial(enlarge_8bit, scale=self.scale)
        network = load_picture_network(self.path, device)
        return run_alone(network) if self.kind == "network" else run_as_upscale(network, self.scale)


def list_methods(files: tuple[Path, ...], scale: int, device: torch.device, notice: Notice = silent) -> list[PictureMethod]:
    """Lists bicubic, then the shipped network and those of `files`, each alone and as `upscale` runs it, where it can.

    Alone: where `scale` is the network's own. UsageError where a file can be measured neither way, LaaError where it is none.
    """
    methods = [PictureMethod(BICUBIC, "baseline", scale)]
    for path in [*shipped(), *files]:
        network = load_picture_network(path, device, notice)
        name, count = weights_name(path), network.parameters
        if network.scale == scale:
            methods.append(PictureMethod(name, "network", scale, path, count, f"{network.architecture} alone"))
        if scale in SCALES:
            row = f"laa, {name}" if files else "laa"
            methods.append(PictureMethod(row, "upscale", scale, path, count, "as upscale runs it"))
        elif network.scale != scale and path in files:
            raise UsageError(f"{path} enlarges {network.scale} times: measure it with scale {network.scale}", "scale")
    return methods


def shipped() -> list[Path]:
    """Lists the weights for the background that laa ships."""
    return [BACKGROUND_WEIGHTS]


def list_peers(scale: int, screen: Screen) -> list[PictureMethod]:
    """Lists the peers, whose time is measured, where spandrel is installed."""
    try:
        names = list(picture_peers(scale))
    except ImportError as error:
        screen.notice(f"the peers are not timed ({error}): pip install 'laa[bench]'")
        return []
    counts = [sum(parameter.numel() for parameter in build_peer(name, scale).parameters()) for name in names]
    return [PictureMethod(name, "time only", scale, None, count) for name, count in zip(names, counts, strict=True)]


def run_alone(network: PictureNetwork) -> Enlarge:
    """Wraps a network at its own scale: its output for a photo, rounded, and nothing else."""
    upscaler = PictureUpscaler(network)

    def enlarge(photo: Levels) -> Levels:
        with one_thread_workers() as workers:
            return run_to_end(upscaler.run_network(photo, network.scale, workers))

    return enlarge


def run_as_upscale(network: PictureNetwork, scale: int) -> Enlarge:
    """Wraps what `upscale` does to the photo outside the faces."""
    upscaler = PictureUpscaler(network)
    return lambda photo: run_to_end(upscaler.steps(photo, scale)).pixels


def build_peer(name: str, scale: int) -> nn.Module:
    """Builds a peer's network with random weights, which cost as much time as trained ones."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of spandrel's networks call torch as one did years ago
        return picture_peers(scale)[name]().eval()


def run_whole(network: nn.Module, device: torch.device) -> Enlarge:
    """Wraps a network that takes the whole photo at once, (1, 3, h, w) RGB in [0, 1]."""
    network = network.to(device)

    @torch.inference_mode()
    def enlarge(photo: Levels) -> Levels:
        return to_uint8(network(to_tensor(gray_to_color(photo)).to(device))[0].float().cpu())

    return enlarge
