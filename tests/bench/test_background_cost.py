"""Operations of background upscalers against formulas, and what is measured of a run."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import randomize_parameters
from torch import nn

from laa_cli.bench import background_cost
from laa_cli.bench.background_cost import count_gflops, difference, measure_cost, measure_costs, run_watched
from laa_cli.bench.background_methods import Enlarge, PictureMethod, build_peer, list_peers, run_whole
from laa_cli.bench.degradation import Levels
from laa_cli.bench.isolation import receive_result, send_result
from laa_cli.console import Screen
from laa_cli.errors import LaaError
from laa_cli.utils.hardware import count_flops
from models.hpinet.config import HPINetConfig, sized
from models.hpinet.network import HPINet
from models.hpinet.patches import patch_starts

CPU = torch.device("cpu")
QUIET = Screen(quiet=True)
BICUBIC = PictureMethod("bicubic", "baseline", 4)
TINY = HPINetConfig(scale=4, dim=8, qk_dim=4, mlp_dim=8, patch_sizes=(8, 6), layers=2, tail="one_step")


def count_macs(config: HPINetConfig, height: int, width: int, *, padded: bool = False) -> int:
    """Multiplications of HPINet by the formula. `padded`: queries and keys as wide as values, as the fused kernel has them."""
    d, q, m, square = config.dim, config.qk_dim, config.mlp_dim, config.scale**2
    tail = {("two_step", 4): 180 * d * d + 432 * d, ("one_step", config.scale): 27 * d * square}.get(
        (config.tail, config.scale), 9 * d * d * square + 27 * d * square
    )
    total = height * width * (27 * d + len(config.patch_sizes) * 9 * d * d + tail)
    for p in config.patch_sizes:
        patches = len(patch_starts(height, p)) * len(patch_starts(width, p))
        layer = p**2 * (d * (2 * q + d) + 2 * d * m) + p**4 * ((d if padded else q) + d)
        total += patches**2 * d + config.layers * patches * layer
    return total


@pytest.mark.parametrize(
    ("size", "scale", "published"),
    [
        ("S", 2, 264.5), ("S", 3, 126.7), ("S", 4, 81.9), ("M", 2, 424.5), ("M", 3, 205.8), ("M", 4, 135.8),
        ("L", 2, 632.4), ("L", 3, 303.1), ("L", 4, 196.4),
    ],
)  # fmt: skip
def test_the_formula_gives_the_published_cost(size: str, scale: int, published: float) -> None:
    """In 10^9, of a photo enlarged to 1280x720."""
    assert count_macs(sized(size, scale), 720 // scale, 1280 // scale) / 1e9 == pytest.approx(published, abs=0.05)


@pytest.mark.parametrize(("size", "scale"), [("T", 4), ("S", 2), ("S", 3), ("S", 4), ("L", 4)])
def test_counted_operations_are_the_formulas(size: str, scale: int) -> None:
    config = sized(size, scale)
    with torch.inference_mode():
        flops = count_flops(HPINet(config).eval(), torch.rand(1, 3, 26, 37))
    assert flops == 2 * count_macs(config, 26, 37, padded=True)


def test_operations_are_counted_per_output_megapixel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_cost, "COUNT_PX", 48)
    network = randomize_parameters(HPINet(TINY)).eval()
    found = count_gflops(run_whole(network, CPU), TINY.scale)
    assert found == pytest.approx(2 * count_macs(TINY, 12, 12, padded=True) / 1e9 / (48 * 48 / 1e6))
    assert count_gflops(lambda photo: photo.repeat(4, 0).repeat(4, 1), 4) is None


def test_memory_is_what_is_taken_beside_the_result() -> None:
    """An array of 80 MB that is gone at the end, and a result of 48 MB."""

    def enlarge(photo: Levels) -> Levels:
        taken = np.ones(10_000_000)
        return np.full((4000, 4000, 3), int(taken[:7].sum()), np.uint8)

    seconds, cpu_seconds, memory = run_watched(enlarge, np.zeros((8, 8, 3), np.uint8), CPU)
    assert min(seconds, cpu_seconds) > 0
    assert memory["memory_mb"] == pytest.approx(80, abs=8)
    assert memory["gpu_memory_mb"] is None
    assert difference(None, 3.0) is None
    assert difference(10.0, 3.0, 9.0) == 0


def test_a_method_is_measured_in_its_own_process() -> None:
    (cost,) = measure_costs([BICUBIC], CPU, QUIET, 64)
    assert (cost.name, cost.gflops) == ("bicubic", None)
    assert (cost.seconds or 0) > 0


def answer_here(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Measures in this process, but sends the answer as another would."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    send_result(sender, function, arguments)
    return receive_result(what, receiver)


def test_a_method_that_fails_is_a_notice(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Because it cannot be loaded, or memory runs out; and the others are measured all the same."""
    monkeypatch.setattr(background_cost, "in_subprocess", answer_here)
    gone = PictureMethod("gone", "network", 4, Path("gone.safetensors"), 7)
    huge = PictureMethod("huge", "baseline", 4)
    build = PictureMethod.build

    def build_some(method: PictureMethod, device: torch.device) -> Enlarge:
        if method is huge:
            raise MemoryError
        return build(method, device)

    monkeypatch.setattr(PictureMethod, "build", build_some)
    costs = measure_costs([gone, huge, BICUBIC], CPU, Screen(), 64)
    assert [(cost.name, cost.parameters, cost.seconds is None) for cost in costs] == [
        ("gone", 7, True), ("huge", None, True), ("bicubic", None, False),
    ]  # fmt: skip
    notices = capsys.readouterr().err
    assert "gone is not measured: cannot read" in notices
    assert "huge is not measured: there is too little memory for it" in notices


def test_the_peers_are_what_they_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parameters that the field's tables have of them at 4x: 1.21 M (Real-ESRGAN's general model) and 930 k."""
    compact, swinir = list_peers(4, QUIET)
    assert (compact.parameters or 0) == pytest.approx(1.21e6, rel=0.01)
    assert (swinir.parameters or 0) == pytest.approx(930e3, rel=0.001)
    monkeypatch.setattr(background_cost, "COUNT_PX", 64)
    cost = measure_cost(compact, "cpu", 64)
    assert cost.gflops == pytest.approx(2 * (27 * 64 + 32 * 9 * 64**2 + 9 * 64 * 48) / 16 / 1e3, rel=1e-6)
    with torch.inference_mode():
        for scale in (2, 3, 4, 8):
            assert build_peer(compact.name, scale)(torch.rand(1, 3, 6, 7)).shape == (1, 3, 6 * scale, 7 * scale)


def test_peers_without_spandrel_are_a_notice(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "spandrel.architectures.Compact", None)
    assert list_peers(4, Screen()) == []
    assert "pip install 'laa[bench]'" in capsys.readouterr().err


def test_a_whole_photo_is_rounded_and_grey_is_colour() -> None:
    network = nn.Upsample(scale_factor=2)
    photo = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    assert np.array_equal(run_whole(network, CPU)(photo), photo.repeat(2, 0).repeat(2, 1).repeat(3, 2))


def test_an_ended_process_is_an_error() -> None:
    receiver, sender = multiprocessing.Pipe(duplex=False)
    sender.close()
    with pytest.raises(LaaError, match="the measurement of it ended early"):
        receive_result("it", receiver)
