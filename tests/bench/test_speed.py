"""`laa bench speed` and `compare`, on clocks of their own: no test depends on how fast this machine is."""

from __future__ import annotations

import csv
import io
import json
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from browser import needs_chromium, opened
from PIL import Image
from torch import Tensor, nn

from laa_cli.bench import pipeline, speed, speed_models
from laa_cli.bench.pipeline import STAGES
from laa_cli.bench.requests import SpeedRequest
from laa_cli.bench.speed_models import SpeedModel
from laa_cli.bench.speed_result import SpeedResult, TimingKind, compare, timing_kind
from laa_cli.console import Screen
from laa_cli.errors import LaaError, UsageError
from laa_cli.upscale import Upscaler
from laa_cli.utils import hardware
from laa_cli.utils.timing import Timing
from models.checkpoint import DEFAULT_WEIGHTS

CPU = torch.device("cpu")
QUIET = Screen(quiet=True)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.new("RGB", (40, 30), (90, 100, 110)).save(path)
    return path


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is measured in no time, with two small networks and no detector."""
    monkeypatch.setattr(hardware, "FULL_RATE_MS", 0)
    one, two = (SpeedModel(name, lambda: nn.Conv2d(3, 3, 1), px, batches) for name, px, batches in
                (("laa-x8", 8, (1, 2)), ("Peer", 16, (1,))))  # fmt: skip
    monkeypatch.setattr(speed_models, "speed_models", lambda *_: [one, two])
    monkeypatch.setattr(hardware, "list_devices", lambda: [CPU])
    monkeypatch.setattr(Upscaler, "load", lambda *_: Upscaler(lambda rgb: [], lambda crops: []))


@pytest.mark.usefixtures("small")
def test_a_run_is_kept_and_read_back(photo: Path, tmp_path: Path, capsys: Any) -> None:
    request = SpeedRequest(photo=photo, seconds=0, save=tmp_path / "run.json", report=tmp_path / "run.html")
    speed.run(request, Screen(data_on_stdout=True), "json")
    found = json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / "run.json").read_text()) == found
    assert SpeedResult.load(tmp_path / "run.json").record() == found
    keys = [(t["what"], t["precision"], t["batch"]) for t in found["timings"]]
    precisions = ("float32", "bfloat16")
    networks = [("laa-x8", 1), ("laa-x8", 2), ("Peer", 1)]
    assert keys == [
        ("upscale", "as run", 1),
        *((f"upscale: {stage}", "as run", 1) for stage in STAGES),
        *(("matrix product 512", precision, 1) for precision in precisions),
        *((name, precision, batch) for name, batch in networks for precision in precisions),
    ]
    gflops = {(t["what"], t["batch"]): t["gflops"] for t in found["timings"]}
    assert gflops["laa-x8", 2] == pytest.approx(2 * 2 * 8 * 8 * 3 * 3 / 1e9)
    assert gflops["matrix product 512", 1] == 2 * 512**3 / 1e9
    assert found["photos"]["cpu"]["width"] == 40
    assert found["photos"]["cpu"]["memory_mb"] > 50
    assert {"cpu", "threads", "torch", "gpus", "date", "laa"} <= set(found["machine"])


@pytest.mark.usefixtures("small")
def test_speed_has_every_form(photo: Path, capsys: Any) -> None:
    request = SpeedRequest(photo=photo, seconds=0)
    speed.run(request, Screen(data_on_stdout=True), "csv")
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(lines) == 16
    assert all(float(line["median_ms"]) >= 0 for line in lines)
    speed.run(request, Screen(data_on_stdout=True), "markdown")
    text = capsys.readouterr().out
    assert "time only: built without weights" in text
    assert "| upscale: detect |" in text
    speed.run(SpeedRequest(seconds=0), Screen(), "table")
    shown = capsys.readouterr().out
    assert "laa-x8" in shown
    assert "upscale" not in shown


def test_stages_are_upscales_own(photo: Path) -> None:
    """The photo is really read and written, and the stages are those of the JSON record of `laa upscale`."""
    sizes = []

    def upscale(pixels: Any, options: Any) -> Any:
        sizes.append(pixels.shape)
        return Upscaler(lambda rgb: [], lambda crops: [])(pixels, options)

    timings, about = pipeline.time_upscale(photo, upscale, CPU, 0)
    assert [timing.what for timing in timings] == ["upscale", *(f"upscale: {stage}" for stage in STAGES)]
    assert set(sizes) == {(30, 40, 3)}
    assert {timing.rounds for timing in timings} == {3}
    assert len(sizes) == 2 + 3  # to warm up, and the rounds
    assert (about["width"], about["faces"], about["scale"]) == (40, 0, 4)


def test_the_peers_are_what_they_are_called() -> None:
    """SwinIR takes 16x16 to 128x128 and is of the size that its paper calls classical; the others are not built: too slow."""
    swinir, gfpgan, restoreformer = speed_models.peer_models()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = swinir.build().eval()
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 16, 16)).shape == (1, 3, 128, 128)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(12e6, rel=0.05)
    assert [(c.name, c.input_px) for c in (gfpgan, restoreformer)] == [
        ("GFPGAN (time only)", 512),
        ("RestoreFormer (time only)", 512),
    ]


def test_missing_spandrel_is_a_notice(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setitem(sys.modules, "spandrel.architectures.GFPGAN", None)
    monkeypatch.setattr(speed_models, "has_openvino", lambda: False)
    (mine,) = speed_models.speed_models(None, CPU, Screen())
    assert mine.name == DEFAULT_WEIGHTS.stem
    assert "pip install 'laa[bench]'" in capsys.readouterr().err


def test_a_network_too_large_for_the_device_is_left_out(capsys: Any) -> None:
    def large() -> nn.Module:
        raise RuntimeError("CUDA out of memory")

    assert speed.network_step(SpeedModel("Large", large, 8), CPU, 0, Screen())() == []
    assert "Large is not timed" in capsys.readouterr().err


class Several(nn.Module):
    """Returns more than an image, as GFPGAN does."""

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        return x, [x]


def test_a_network_may_return_more_than_an_image() -> None:
    timings = speed.network_step(SpeedModel("Several", Several, 8), CPU, 0, Screen())()
    assert [timing.precision for timing in timings] == ["float32", "bfloat16"]


def test_what_cannot_work_is_said_first(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for request, message in (
        (SpeedRequest(photo=photo, save=tmp_path / "file" / "run.json"), "cannot write .*run.json"),
        (SpeedRequest(photo=tmp_path / "gone.jpg"), "cannot read .*gone.jpg"),
        (SpeedRequest(weights=tmp_path / "gone.safetensors"), "cannot read the weights"),
        (SpeedRequest(device="abacus"), "unknown device"),
    ):
        with pytest.raises(LaaError, match=message):
            speed.run(request, QUIET, "table")
    with pytest.raises(UsageError, match=r"^seconds must be 0 or more, not -1$") as error:
        SpeedRequest(seconds=-1)
    assert error.value.for_command_line() == "--seconds must be 0 or more, not -1"


# compare


def saved(path: Path, ms: dict[str, float], **machine_values: Any) -> Path:
    """A run with a timing for each name."""
    about = {"cpu": "A", "cores": 2, "threads": 2, "gpus": [], "system": "Linux"} | machine_values
    timings = [Timing(name, "cpu", "float32", 1, value, 1.0, value, 5) for name, value in ms.items()]
    path.write_text(json.dumps(SpeedResult(about, timings, {}).record()))
    return path


GOOD = (
    b'{"kind": "laa bench speed", "format": 1, "machine": {"cpu": "A"}, "timings": [{"what": "net", "device": "cpu", '
    b'"precision": "float32", "batch": 1, "median_ms": 100, "iqr_ms": 1.5, "best_ms": 99.0, "rounds": 5}], "photos": {}}'
)


def test_ratios_are_second_over_first(tmp_path: Path, capsys: Any) -> None:
    first = saved(tmp_path / "a.json", {"net": 100, "gone": 1, "same": 10})
    second = saved(tmp_path / "b.json", {"new": 1, "net": 50, "same": 10.5})
    compare(first, second, Screen(data_on_stdout=True), "json")
    found = json.loads(capsys.readouterr().out)
    assert [(r["what"], r["ratio"], r["within_spread"]) for r in found["ratios"]] == [("net", 0.5, False), ("same", 1.05, True)]
    assert found["differences"] == []
    compare(first, second, Screen(data_on_stdout=True), "csv")
    assert next(csv.DictReader(io.StringIO(capsys.readouterr().out)))["ratio"] == "0.5"
    compare(first, second, Screen(), "table")
    assert "1.05~" in capsys.readouterr().out


@pytest.mark.parametrize(
    "damaged",
    [
        *(b"{", b"[1]", b"7", b"[" * 100_000, b"\xff\xfe\x00", b"", b'{"kind": "laa bench speed"}'),
        *(GOOD.replace(b'"format": 1', b'"format": "1"'), GOOD.replace(b'"timings": [', b'"timings": [7, ')),
        *(GOOD.replace(b'"batch": 1', b'"batch": [1]'), GOOD.replace(b"1.5", b"NaN"), GOOD.replace(b"1.5", b"1e999")),
        *(GOOD.replace(b'"what": "net"', b'"what": null'), GOOD.replace(b'"machine": {', b'"machine": [{')),
        *(GOOD.replace(b'"photos": {', b'"photos": {"cpu": 7'), GOOD.replace(b'"photos": {', b'"photos": {"cpu": {}')),
        GOOD.replace(b"laa bench speed", b"another file"),
    ],
)
def test_a_damaged_run_is_an_error(tmp_path: Path, damaged: bytes) -> None:
    first = tmp_path / "a\x1b.json"
    first.write_bytes(GOOD)
    assert SpeedResult.load(first).timings[0].iqr_ms == 1.5
    second = tmp_path / "b.json"
    second.write_bytes(damaged)
    with pytest.raises(LaaError, match=r"b\.json is no ") as error:
        compare(first, second, QUIET, "table")
    assert "\n" not in str(error.value)


def test_the_kind_of_a_timing_is_not_its_networks_name() -> None:
    """Weights may be called anything."""
    timing = Timing("upscale", "cpu", "as run", 1, 1.0, 0.0, 1.0, 3)
    assert timing_kind(timing) is TimingKind.PIPELINE
    assert timing_kind(replace(timing, what="upscale: paste")) is TimingKind.PIPELINE
    assert timing_kind(replace(timing, what="matrix product 512", precision="float32")) is TimingKind.LIMIT
    assert timing_kind(replace(timing, what="upscale.safetensors", precision="float32")) is TimingKind.NETWORK


def test_different_machines_are_flagged(tmp_path: Path, capsys: Any) -> None:
    first = saved(tmp_path / "a.json", {"net": 100})
    second = saved(tmp_path / "b.json", {"net": 50}, cpu="B", threads=4)
    compare(first, second, Screen(), "table")
    captured = capsys.readouterr()
    assert "different machines: cpu is A and B" in captured.out
    assert "threads is 2 and 4" in captured.out
    compare(first, second, Screen(data_on_stdout=True), "csv")  # which has no place for it
    assert "cpu is A and B" in capsys.readouterr().err


def broken_runs(folder: Path) -> Iterator[tuple[str, str]]:
    """Contents that are no run, and what is said of them."""
    yield "{}", "no saved run"
    yield "not json", "no saved run"
    yield "[]", "no saved run"
    yield json.dumps({"kind": "something else", "format": 1}), "no run that this laa can read"
    yield json.dumps({"kind": "laa bench speed", "format": 99}), "no run that this laa can read"
    yield (
        json.dumps({"kind": "laa bench speed", "format": 1, "machine": {}, "timings": [{"a": 1}], "photos": {}}),
        "no saved run",
    )


def test_broken_runs_are_named(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    with pytest.raises(LaaError, match=r"cannot read .*run.json: No such file"):
        SpeedResult.load(path)
    for content, message in broken_runs(tmp_path):
        path.write_text(content)
        with pytest.raises(LaaError, match=f"run.json is {message}"):
            SpeedResult.load(path)
    with pytest.raises(LaaError, match="no measurement in common"):
        compare(saved(path, {"a": 1}), saved(tmp_path / "b.json", {"b": 1}), QUIET, "table")


@needs_chromium
@pytest.mark.usefixtures("small")
def test_the_page_of_a_run_fits_a_phone(photo: Path, tmp_path: Path) -> None:
    speed.run(SpeedRequest(photo=photo, seconds=0, report=tmp_path / "run.html"), QUIET, "table")
    with opened(tmp_path / "run.html", 400) as tab:
        assert tab.evaluate("document.documentElement.scrollWidth") <= 400
        assert "upscale: paste" in tab.locator("table").nth(1).inner_text()
