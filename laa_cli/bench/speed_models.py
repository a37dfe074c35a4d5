"""The networks whose speed is compared: ours, and the peers' as spandrel builds them, without weights; and their timing."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from models.checkpoint import DEFAULT_WEIGHTS, load
from models.protocol import HR_SIZE, LR_SIZE

from ..console import Screen
from ..restore.restorer import NetworkRestorer
from ..utils.hardware import PRECISIONS, count_flops
from ..utils.timing import Timing, summarize, time_rounds
from .evaluate import weights_name
from .peers import FACE_PX

BATCHES = (1, 4, 16)
GPU_BATCHES = (64, 256)  # beside them


@dataclass(frozen=True)
class SpeedModel:
    """A network and its input for one face, (n, 3, input, input)."""

    name: str
    build: Callable[[], nn.Module]
    input_px: int
    batches: tuple[int, ...] = (1,)


def speed_models(weights: Path | None, device: torch.device, screen: Screen) -> list[SpeedModel]:
    """Returns our network, and the peers' where spandrel is installed."""
    path = weights or DEFAULT_WEIGHTS
    NetworkRestorer.load(path, torch.device("cpu"))  # for its errors
    batches = (*BATCHES, *(GPU_BATCHES if device.type == "cuda" else ()))
    ours = SpeedModel(weights_name(path), lambda: to_channels_last(load(path)[0]), HR_SIZE, batches)
    try:
        return [ours, *peer_models()]
    except ImportError as error:
        screen.notice(f"the peers are not timed ({error}): pip install 'laa[bench]'")
        return [ours]


def to_channels_last(network: nn.Module) -> nn.Module:
    """Converts to the memory format that the restorer uses."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def peer_models() -> list[SpeedModel]:
    """Returns SwinIR in its classical size, from 16x16 to 128x128, and face restorers at the 512x512 that they are made for.

    Random weights cost as much time as trained ones.
    """
    from spandrel.architectures.GFPGAN import GFPGAN
    from spandrel.architectures.RestoreFormer import RestoreFormer
    from spandrel.architectures.SwinIR import SwinIR

    classical = {"img_size": LR_SIZE, "embed_dim": 180, "depths": [6] * 6, "num_heads": [6] * 6, "window_size": 8}
    return [
        SpeedModel(
            "SwinIR (time only)", lambda: SwinIR(**classical, mlp_ratio=2, upscale=8, upsampler="pixelshuffle"), LR_SIZE
        ),
        SpeedModel("GFPGAN (time only)", GFPGAN, FACE_PX),
        SpeedModel("RestoreFormer (time only)", RestoreFormer, FACE_PX),
    ]


def picture_peers(scale: int) -> dict[str, Callable[[], nn.Module]]:
    """Returns what builds the peers for whole pictures: Real-ESRGAN's compact network and SwinIR in its lightweight size.

    Each takes (n, 3, h, w) to (n, 3, scale h, scale w). ImportError where spandrel is missing.
    """
    from spandrel.architectures.Compact import Compact
    from spandrel.architectures.SwinIR import SwinIR

    light = {"img_size": 64, "embed_dim": 60, "depths": [6] * 4, "num_heads": [6] * 4, "window_size": 8, "mlp_ratio": 2}
    return {
        "Real-ESRGAN compact (time only)": lambda: Compact(num_conv=32, upscale=scale),  # as in its general model
        "SwinIR-light (time only)": lambda: SwinIR(**light, upscale=scale, upsampler="pixelshuffledirect"),
    }


@torch.inference_mode()
def time_network(model: SpeedModel, device: torch.device, seconds: float) -> list[Timing]:
    """Times each batch size in each precision; bfloat16 by autocast, as laa runs on a GPU."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of spandrel's networks call torch as one did years ago
        torch.manual_seed(0)
        network = model.build().eval().to(device)
        timings = []
        for batch in model.batches:
            inputs = torch.rand(batch, 3, model.input_px, model.input_px, device=device)
            gflops = count_flops(network, inputs) / 1e9
            for precision in PRECISIONS:
                with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
                    times_ms = time_rounds(partial(network, inputs), device, seconds)
                timings.append(summarize(model.name, str(device), precision, batch, times_ms, gflops))
    return timings
