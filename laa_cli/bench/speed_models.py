"""Networks whose speed is compared: ours, and the peers' as spandrel builds them, without weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from models.checkpoint import DEFAULT_WEIGHTS, load
from models.protocol import HR_SIZE, LR_SIZE

from ..console import Screen
from ..restore.restorer import NetworkRestorer
from ..utils.hardware import PRECISIONS
from ..utils.timing import Timing, summarize, time_rounds
from .evaluate import weights_name
from .peers import FACE_PX

BATCHES = (1, 4, 16)
GPU_BATCHES = (64, 256)  # beside them


@dataclass(frozen=True)
class SpeedModel:
    """A network and the input that it gets for one face, (n, 3, input, input)."""

    name: str
    make: Callable[[], nn.Module]
    input_px: int
    batches: tuple[int, ...] = (1,)


def speed_models(weights: Path | None, device: torch.device, screen: Screen) -> list[SpeedModel]:
    """Ours, and the peers where spandrel is installed."""
    path = weights or DEFAULT_WEIGHTS
    NetworkRestorer.load(path, torch.device("cpu"))  # for its errors
    batches = (*BATCHES, *(GPU_BATCHES if device.type == "cuda" else ()))
    mine = SpeedModel(weights_name(path), lambda: as_restored(load(path)[0]), HR_SIZE, batches)
    try:
        return [mine, *peer_models()]
    except ImportError as error:
        screen.notice(f"the peers are not timed ({error}): pip install 'laa[bench]'")
        return [mine]


def as_restored(network: nn.Module) -> nn.Module:
    """In the memory format that the restorer uses."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def peer_models() -> list[SpeedModel]:
    """Random weights cost as much time as trained ones. SwinIR in its classical size, from 16x16 to 128x128; face restorers
    at the 512x512 that they are made for."""
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


@torch.inference_mode()
def time_network(contender: SpeedModel, device: torch.device, seconds: float) -> list[Timing]:
    """Each batch size in each precision; bfloat16 by autocast, as laa runs on a GPU."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of spandrel's networks call torch as one did years ago
        torch.manual_seed(0)
        network = contender.make().eval().to(device)
        found = []
        for batch in contender.batches:
            inputs = torch.rand(batch, 3, contender.input_px, contender.input_px, device=device)
            gflops = count_gflops(network, inputs)
            for precision in PRECISIONS:
                with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
                    spent = time_rounds(partial(network, inputs), device, seconds)
                found.append(summarize(contender.name, str(device), precision, batch, spent, gflops))
    return found


def count_gflops(network: nn.Module, inputs: Tensor) -> float:
    """Of one call, by torch's counter."""
    with FlopCounterMode(display=False) as counter:
        network(inputs)
    return counter.get_total_flops() / 1e9
