"""`laa bench background`: its rows, its forms, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browser import needs_chromium, opened
from fakes import randomize_parameters, save_network, small_swinir
from PIL import Image

from laa_cli.bench import background_cost, background_methods, background_run
from laa_cli.bench.background_cost import PictureCost
from laa_cli.bench.background_methods import PictureMethod, list_methods
from laa_cli.bench.background_page import CROP_PX, find_window
from laa_cli.bench.background_quality import compare
from laa_cli.bench.degradation import PICTURE_FAULTS, resize_bicubic
from laa_cli.bench.perceptual import MetricColumn
from laa_cli.bench.requests import BackgroundRequest
from laa_cli.console import Screen
from laa_cli.errors import Exit, LaaError, UsageError
from laa_cli.photo.resample import enlarge_8bit
from models.checkpoint import HPINET, ModelCard, load, save_bytes
from models.hpinet.config import HPINetConfig
from models.hpinet.network import HPINet
from models.metrics import psnr_db

CPU = torch.device("cpu")
QUIET = Screen(quiet=True)
TINY = HPINetConfig(scale=4, dim=8, qk_dim=4, mlp_dim=8, patch_sizes=(8, 6), layers=2, tail="one_step")


def weights(path: Path, *, trained: bool = True, scale: int = 4) -> Path:
    """A small network; untrained, it is the plain enlargement."""
    config = replace(TINY, scale=scale)
    network = HPINet(config)
    card = ModelCard(config, "tiny", crop_px=None, architecture=HPINET.name)
    path.write_bytes(save_bytes(randomize_parameters(network) if trained else network, card))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for index, (height, width, channels) in enumerate([(68, 96, 3), (64, 60, 1), (50, 80, 3)]):
        coarse = random.integers(0, 256, (height // 4, width // 4, channels), np.uint8)
        pixels = resize_bicubic(coarse, (height, width)).astype(int) + random.integers(-20, 20, (height, width, 1))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8).squeeze()).save(folder / f"{index}.png")
    return folder


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without shipped weights, metrics whose weights may be missing, and measurements that take a process each."""
    columns = [
        MetricColumn("psnr_db", "PSNR", 2, psnr_db, gains=True),
        MetricColumn("lpips", "LPIPS", 4, None, gains=True, lower_is_better=True, unavailable="no weights"),
    ]
    monkeypatch.setattr(background_run, "picture_columns", lambda *_, **__: columns)
    monkeypatch.setattr(background_methods, "shipped", list)
    costs = [PictureCost("bicubic", None, None, 0.01, 0.02, 3.0), PictureCost("net", 5000, 12.3, 0.5, 0.9, 40.0)]
    monkeypatch.setattr(background_cost, "measure_costs", lambda *_: costs)


def test_rows_are_where_they_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network alone at its own scale; as upscale runs it at all scales that upscale has."""
    monkeypatch.setattr(background_methods, "shipped", list)
    four, three = weights(tmp_path / "four.safetensors"), weights(tmp_path / "three.safetensors", scale=3)

    def names(files: tuple[Path, ...], scale: int) -> list[tuple[str, str]]:
        return [(method.name, method.kind) for method in list_methods(files, scale, CPU)]

    bicubic = ("bicubic", "baseline")
    assert names((), 4) == [bicubic]
    assert names((four,), 4) == [bicubic, (str(four), "network"), (f"laa, {four}", "upscale")]
    assert names((four,), 2) == [bicubic, (f"laa, {four}", "upscale")]
    assert names((three,), 3) == [bicubic, (str(three), "network")]
    with pytest.raises(UsageError, match=r"four.safetensors enlarges 4 times: measure it with scale 4"):
        names((four,), 3)
    monkeypatch.setattr(background_methods, "shipped", lambda: [four])
    assert names((), 4) == [bicubic, (str(four), "network"), ("laa", "upscale")]
    assert names((three,), 3) == [bicubic, (str(three), "network")]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_alone_is_the_network(channels: int, tmp_path: Path) -> None:
    """Grey goes through it as three equal channels, whose mean comes out."""
    path = weights(tmp_path / "four.safetensors")
    alone = list_methods((path,), 4, CPU)[-2]
    photo = np.random.default_rng(0).integers(0, 256, (23, 31, channels), np.uint8)
    network = load(path)[0]
    with torch.inference_mode():
        expected = network(torch.from_numpy(photo).permute(2, 0, 1)[None].expand(1, 3, -1, -1) / 255)[0]
    mean = expected if channels == 3 else expected.mean(0, keepdim=True)
    levels = mean.clamp(0, 1).mul(255).permute(1, 2, 0).numpy()
    assert np.abs(alone.build(CPU)(photo) - levels).max() < 0.51
    assert alone.parameters == sum(parameter.numel() for parameter in network.parameters())


def test_any_network_of_spandrels_is_a_row(tmp_path: Path) -> None:
    """A small SwinIR, which is made for 4x."""
    path = save_network(small_swinir(4), tmp_path / "swinir.safetensors")
    alone, upscale = list_methods((path,), 4, CPU)[-2:]
    assert alone.note == "SwinIR alone"
    photo = np.random.default_rng(0).integers(0, 256, (23, 31, 3), np.uint8)
    assert alone.build(CPU)(photo).shape == upscale.build(CPU)(photo).shape == (92, 124, 3)


@pytest.mark.usefixtures("light")
def test_the_record_has_every_method_at_every_fault(folder: Path, tmp_path: Path, capsys: Any) -> None:
    files = (weights(tmp_path / "one.safetensors"), weights(tmp_path / "two.safetensors", trained=False))
    request = BackgroundRequest(data=folder, backgrounds=files, device="cpu", faults=True)
    assert background_run.run(request, Screen(data_on_stdout=True), "json") == Exit.OK
    found = json.loads(capsys.readouterr().out)
    assert [method["kind"] for method in found["methods"]] == ["baseline", *["network", "upscale"] * 2]
    assert (found["pictures"], found["scale"], found["left_out"]) == (3, 4, [])
    assert found["not_available"] == {"lpips": "no weights"}
    for method in found["methods"]:
        assert list(method["faults"]) == list(PICTURE_FAULTS)
        assert all(set(metrics) == {"psnr_db"} for metrics in method["faults"].values())
    bicubic, random, _, plain, _ = (method["faults"]["clean"]["psnr_db"] for method in found["methods"])
    truths = [np.asarray(Image.open(path)).reshape(shape) for path, shape in
              zip(sorted(folder.iterdir()), [(68, 96, 3), (64, 60, 1), (50, 80, 3)], strict=True)]  # fmt: skip
    truths = [truth[: len(truth) // 4 * 4] for truth in truths]
    lrs = [resize_bicubic(truth, (truth.shape[0] // 4, truth.shape[1] // 4)) for truth in truths]
    expected = [compare(psnr_db, enlarge_8bit(lr, 4), truth).item() for lr, truth in zip(lrs, truths, strict=True)]
    assert bicubic["mean"] == pytest.approx(np.mean(expected), abs=1e-3)
    assert plain["mean"] == pytest.approx(bicubic["mean"], abs=0.05)  # an untrained network is bicubic
    assert random["gain"]["mean"] < -1
    assert random["below_bicubic"]
    assert random["gain"]["low"] < random["gain"]["mean"] < random["gain"]["high"]


@pytest.mark.usefixtures("light")
def test_the_forms_agree(folder: Path, tmp_path: Path, capsys: Any) -> None:
    path = weights(tmp_path / "one.safetensors")
    request = BackgroundRequest(data=folder, backgrounds=(path,), device="cpu", limit=2, faults=True)
    background_run.run(request, Screen(data_on_stdout=True), "csv")
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len([line for line in lines if line["table"] == "measured"]) == 3 * len(PICTURE_FAULTS)
    (loss,) = (float(line["gain"]) for line in lines if (line["method"], line["fault"]) == (str(path), "noise5"))
    assert loss < 0
    background_run.run(request, Screen(data_on_stdout=True), "markdown")
    captured = capsys.readouterr()
    assert f"| {path} | noise5 | {loss:+.2f} ±" in captured.out
    assert f"{path}: below bicubic at clean (PSNR " in captured.out
    assert "LPIPS not available: no weights" in captured.out
    assert "| net | 0.005 M | 12 | 0.50 | 0.90 | 40 |" in captured.out
    assert "measured: noise5: bicubic" in captured.err
    background_run.run(replace(request, faults=False), Screen(), "table")
    shown = capsys.readouterr().out
    assert "2 pictures of photos, enlarged 4x" in shown
    assert "noise5" not in shown
    assert "below bicubic at clean" in shown


@pytest.mark.usefixtures("light")
def test_what_is_never_below_bicubic_is_said(folder: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    twice = [PictureMethod(name, "baseline", 4) for name in ("bicubic", "the same")]
    monkeypatch.setattr(background_run, "list_methods", lambda *_: twice)
    background_run.run(BackgroundRequest(data=folder, device="cpu"), Screen(), "table")
    assert "the same: at least bicubic's PSNR at every point" in capsys.readouterr().out


@pytest.mark.usefixtures("light")
def test_a_smaller_set_than_asked_for_has_its_own_exit_code(folder: Path, capsys: Any) -> None:
    (folder / "1.png").write_bytes(b"\x89PNG broken")
    assert background_run.run(BackgroundRequest(data=folder, device="cpu"), Screen(data_on_stdout=True), "json") == Exit.PARTLY
    found = json.loads(capsys.readouterr().out)
    assert found["pictures"] == 2
    assert "1.png" in found["left_out"][0]


@pytest.mark.usefixtures("light")
def test_what_cannot_work_is_said_first(folder: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken.html"
    taken.write_bytes(b"precious")
    for changes, message in (
        ({"report": taken}, "taken.html exists already"),
        ({"report": folder / "0.png", "overwrite": True}, "is an input of this run"),
        ({"backgrounds": (taken,), "report": taken, "overwrite": True}, "is an input of this run"),
        ({"backgrounds": (tmp_path / "gone.safetensors",)}, "cannot read .*gone.safetensors"),
        ({"data": tmp_path / "gone"}, "there is no such file or folder"),
        ({"device": "abacus"}, "unknown device"),
    ):
        with pytest.raises(LaaError, match=message):
            background_run.run(replace(BackgroundRequest(data=folder, device="cpu"), **changes), QUIET, "table")  # type: ignore[arg-type]
    assert taken.read_bytes() == b"precious"
    with pytest.raises(UsageError, match="scale must be one of 2, 3, 4, 8, not 5"):
        BackgroundRequest(data=folder, scale=5)


def test_crops_are_where_most_has_changed() -> None:
    before = np.zeros((CROP_PX + 200, CROP_PX + 100, 3), np.uint8)
    after = before.copy()
    after[150:400, 60:90] = 200
    rows, columns = find_window(before, after)
    assert rows.stop - rows.start == columns.stop - columns.start == CROP_PX
    assert rows.start <= 150
    assert rows.stop >= 400
    assert find_window(before[:50, :30], after[:50, :30]) == (slice(0, 50), slice(0, 30))


@needs_chromium
@pytest.mark.usefixtures("light")
def test_the_report_is_one_page_for_every_screen(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    path = weights(tmp_path / "one.safetensors")
    request = BackgroundRequest(data=folder, backgrounds=(path,), device="cpu", faults=True, report=page)
    background_run.run(request, QUIET, "table")
    for width in (400, 1200):
        with opened(page, width) as tab:
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            assert tab.locator(".slider").count() == 3 * len(PICTURE_FAULTS)
            assert tab.locator("details img").count() == 4 * len(PICTURE_FAULTS)  # bicubic, alone, as upscale runs it, truth
            tab.locator("summary").first.click()
            tab.wait_for_function("[...document.querySelectorAll('details[open] img')].every(i => i.naturalWidth)")
