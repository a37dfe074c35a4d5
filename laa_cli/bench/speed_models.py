"""The networks whose speed is compared: ours, and the peers' as spandrel builds them, without weights; and their timing."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.checkpoint import DEFAULT_WEIGHTS, load
from models.laa.network import LAATransformer
from models.protocol import HR_SIZE, LR_SIZE

from ..console import Screen
from ..restore.face_network import Network, build_face_network, in_precision
from ..restore.restorer import read_weights
from ..restore.runtime import OPENVINO_CPU, Runtime, has_openvino
from ..utils.hardware import PRECISIONS, count_flops
from ..utils.timing import Timing, summarize, time_rounds
from .evaluate import weights_name
from .peers import FACE_PX

BATCHES = (1, 4, 16)
GPU_BATCHES = (64, 256)  # beside them


Prepare = Callable[[Any, Runtime], Callable[[Tensor], object]]  # returns what runs a network


@dataclass(frozen=True)
class SpeedModel:
    """A network and its input for one face, (n, 3, input, input). `prepare`: how it runs, by default in autocast."""

    name: str
    build: Callable[[], nn.Module]
    input_px: int
    batches: tuple[int, ...] = (1,)
    prepare: Prepare = in_precision


def speed_models(weights: Path | None, device: torch.device, screen: Screen) -> list[SpeedModel]:
    """Returns our network as laa runs it, on a CPU in OpenVINO, too, where that and the peers where spandrel is installed."""
    path = weights or DEFAULT_WEIGHTS
    read_weights(path)  # for its errors
    batches = (*BATCHES, *(GPU_BATCHES if device.type == "cuda" else ()))
    ours = [SpeedModel(weights_name(path), lambda: load(path)[0], HR_SIZE, batches, build_face_network)]
    if device.type == "cpu" and has_openvino():
        ours.append(replace(ours[0], name=f"{weights_name(path)}, OpenVINO", batches=(1,), prepare=build_in_openvino))
    try:
        return [*ours, *peer_models()]
    except ImportError as error:
        screen.notice(f"the peers are not timed ({error}): pip install 'laa[bench]'")
        return ours


def build_in_openvino(network: LAATransformer, runtime: Runtime) -> Network:
    """Builds what runs our network in OpenVINO on the CPU."""
    return build_face_network(network, replace(runtime, openvino=OPENVINO_CPU))


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
    """Times each batch size in each precision, the networks run as `prepare` says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of spandrel's networks call torch as one did years ago
        torch.manual_seed(0)
        network = model.build().eval().to(device)
        prepared = {precision: model.prepare(network, Runtime(device, precision)) for precision in PRECISIONS}
        timings = []
        for batch in model.batches:
            inputs = torch.rand(batch, 3, model.input_px, model.input_px, device=device)
            gflops = count_flops(network, inputs) / 1e9
            for precision, run in prepared.items():
                times_ms = time_rounds(partial(run, inputs), device, seconds)
                timings.append(summarize(model.name, str(device), precision, batch, times_ms, gflops))
    return timings
