"""`laa bench faces`: its data, its rows, and what leaves it."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browser import needs_chromium, opened
from fakes import folder_of, pictures, save_network, small_swinir
from PIL import Image
from torch import nn

from laa_cli.bench import faces as bench
from laa_cli.bench.data import crop_detected_faces, crop_to_face, read_set
from laa_cli.bench.evaluate import Method, back_project_bicubic, evaluate, our_methods, our_restorers
from laa_cli.bench.perceptual import MetricColumn
from laa_cli.bench.report import rank_places
from laa_cli.bench.requests import FacesRequest
from laa_cli.bench.result import PUBLISHED
from laa_cli.bench.table import Table
from laa_cli.console import Screen
from laa_cli.detect.face import Face
from laa_cli.errors import Exit, LaaError
from models.checkpoint import DEFAULT_WEIGHTS, LAA_TRANSFORMER, WEIGHTS, ModelCard, load, read_checkpoint, save_bytes
from models.laa.config import LAAConfig
from models.laa.network import LAATransformer
from models.metrics import psnr_db, ssim
from models.protocol import network_input, reduce

CPU = torch.device("cpu")
QUIET = Screen(quiet=True)
COLUMNS = [
    MetricColumn("psnr_db", "PSNR", 2, psnr_db, gains=True),
    MetricColumn("ssim", "SSIM", 4, ssim, gains=True),
    MetricColumn("lpips", "LPIPS", 4, None, gains=True, unavailable="no weights"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_of(pictures(5, 128), tmp_path / "faces")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the metrics whose weights may or may not be here."""
    monkeypatch.setattr(bench, "metric_columns", lambda **_: COLUMNS)


@pytest.fixture
def light(measured: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """And without the shipped network."""
    ours = [Method("laa-x8", "network", back_project_bicubic, 1), Method("laa", "upscale", back_project_bicubic, 1)]
    monkeypatch.setattr(bench, "our_methods", lambda *_: ours)
    monkeypatch.setattr(bench, "methods_at_any_size", lambda *_: {"bicubic": network_input, "laa": back_project_bicubic})


# data


def test_larger_faces_are_reduced_by_the_protocol(tmp_path: Path) -> None:
    folder = folder_of(pictures(2, 256), tmp_path / "faces")
    found = read_set(folder, crop_to_face, None, QUIET)
    pixels = Image.open(folder / "000.png").resize((128, 128), Image.Resampling.BICUBIC)
    assert np.abs(found.faces[0].permute(1, 2, 0).numpy().astype(int) - np.asarray(pixels)).max() <= 1


def test_faces_of_128_px_are_left_as_they_are_and_limited(folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "faces.tar", "w") as tar:
        for path in sorted(folder.iterdir(), reverse=True):
            tar.add(path, path.name)
    for source in (folder, tmp_path / "faces.tar"):
        assert torch.equal(read_set(source, crop_to_face, 3, QUIET).faces, pictures(5, 128)[:3])


def test_unusable_pictures_are_left_out_by_name(folder: Path, capsys: Any) -> None:
    (folder / "002.png").write_bytes(b"\x89PNG broken")
    Image.new("RGB", (130, 140)).save(folder / "003.png")
    Image.new("RGB", (64, 64)).save(folder / "004.png")
    found = read_set(folder, crop_to_face, None, Screen())
    assert [Path(name).name for name in found.names] == ["000.png", "001.png"]
    notices = capsys.readouterr().err
    assert "002.png" in notices
    assert "003.png: it is 130x140, no square of 128 px or more" in notices
    assert "004.png: it is 64x64" in notices
    assert str(found) == "2 faces of faces (3 left out)"


def test_no_faces_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(LaaError, match=r"no usable faces in .*empty: it holds no pictures"):
        read_set(tmp_path / "empty", crop_to_face, None, QUIET)
    Image.new("RGB", (64, 64)).save(tmp_path / "empty" / "small.png")
    with pytest.raises(LaaError, match=r"no usable faces in .*; the first: .*small.png: it is 64x64"):
        read_set(tmp_path / "empty", crop_to_face, None, QUIET)
    with pytest.raises(LaaError, match=r"no usable faces in .*: no large face in its 1 pictures"):
        read_set(tmp_path / "empty", crop_detected_faces(lambda _: []), None, QUIET)
    with pytest.raises(LaaError, match=r"cannot read .*missing\.tar: there is no such file or folder"):
        read_set(tmp_path / "missing.tar", crop_to_face, None, QUIET)


def test_prepared_faces_are_the_protocols_crops(tmp_path: Path) -> None:
    """Of two faces that a detector finds, the one whose crop has 128 px or more."""
    folder = folder_of(pictures(1, 400), tmp_path / "photos")
    boxes = ((100.0, 110.0, 220.0, 270.0), (10.0, 10.0, 60.0, 60.0))
    found = read_set(folder, crop_detected_faces(lambda _: [Face(box, 1.0, ()) for box in boxes]), None, QUIET)
    corner = (60, 90, 260, 290)  # 1.25 x 160 px around (160, 190)
    pixels = Image.open(folder / "000.png").crop(corner).resize((128, 128), Image.Resampling.BICUBIC)
    assert found.faces.shape == (1, 3, 128, 128)
    assert np.abs(found.faces[0].permute(1, 2, 0).numpy().astype(int) - np.asarray(pixels)).max() <= 1


# rows


def test_a_row_has_every_face_and_what_it_costs() -> None:
    convolution = nn.Conv2d(3, 3, 3, padding=1)
    nn.init.dirac_(convolution.weight)
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    method = Method("copy", "peer", lambda lr: convolution(network_input(lr)), 84, batch=2)
    row = evaluate(method, pictures(5, 128), [("psnr_db", psnr_db)], QUIET)
    truth = pictures(5, 128) / 255
    assert row.figures["psnr_db"].tolist() == pytest.approx(psnr_db(network_input(reduce(truth)), truth).tolist(), abs=1e-4)
    assert row.gflops == pytest.approx(2 * 128 * 128 * 3 * 3 * 9 / 1e9)  # by hand: two for each of 27 x 3 products per pixel
    assert row.ms > 0
    assert evaluate(replace(method, restore=network_input), pictures(1, 128), [], QUIET).gflops == 0


def untrained(path: Path) -> Path:
    """Weights of a tiny network that changes nothing yet."""
    tiny = LAAConfig(base_channels=2, blocks=1, mlp_ratio=1)
    path.write_bytes(save_bytes(LAATransformer(tiny), ModelCard(tiny)))
    return path


def test_given_weights_take_the_place_of_the_shipped_ones_in_upscale(tmp_path: Path) -> None:
    one, two = untrained(tmp_path / "one.safetensors"), untrained(tmp_path / "two.safetensors")
    assert [method.name for method in our_methods([], CPU)] == [*shipped(), "laa"]
    assert [method.name for method in our_methods([one], CPU)] == [*shipped(), str(one), "laa"]
    assert [method.name for method in our_methods([one, two], CPU)][-2:] == [f"laa, {one}", f"laa, {two}"]
    lr = reduce(pictures(1, 128) / 255)
    found = our_restorers([one], CPU)["laa"]
    assert torch.allclose(found.network_only(lr), network_input(lr), atol=1e-5)
    assert (our_restorers([], CPU)["laa"].network_only(lr) - network_input(lr)).abs().max() > 0.01


def shipped() -> list[str]:
    """Of the weights in the package those for faces; the others are for the background."""
    cards = {path.stem: read_checkpoint(path)[0] for path in sorted(WEIGHTS.glob("*.safetensors"))}
    return [name for name, card in cards.items() if card.architecture == LAA_TRANSFORMER.name]


def test_examples_are_best_median_and_worst() -> None:
    gains = torch.arange(20.0)[torch.randperm(20, generator=torch.Generator().manual_seed(0))]
    by_label: dict[str, list[float]] = {}
    for place, label in rank_places(gains).items():
        by_label.setdefault(label, []).append(gains[place].item())
    assert by_label == {"best": [19, 18, 17], "median": [11, 10, 9], "worst": [2, 1, 0]}
    assert [len(rank_places(torch.arange(float(count)))) for count in (1, 2, 3, 4, 9)] == [1, 2, 3, 3, 9]


# the command


@pytest.mark.usefixtures("measured")
def test_the_record_has_every_method(folder: Path, tmp_path: Path, capsys: Any) -> None:
    weights = untrained(tmp_path / "untrained.safetensors")
    other = save_network(small_swinir(8), tmp_path / "peer.safetensors")
    request = FacesRequest(data=folder, weights=(weights,), peers=(other,), device="cpu", limit=4)
    assert bench.run(request, Screen(data_on_stdout=True), "json") == Exit.OK
    found = json.loads(capsys.readouterr().out)
    methods = {method["name"]: method for method in found["methods"]}
    assert list(methods)[:2] == ["bicubic", "back-projection"]
    assert {DEFAULT_WEIGHTS.stem, str(weights), "laa", "peer (SwinIR)"} < set(methods)
    truth = pictures(5, 128)[:4] / 255
    expected = psnr_db(network_input(reduce(truth)), truth).mean().item()
    for name in ("bicubic", str(weights)):  # an untrained network is bicubic
        psnr = methods[name]["metrics"]["psnr_db"]
        assert psnr["mean"] == pytest.approx(expected, abs=1e-4)
        assert psnr["gain"]["mean"] == pytest.approx(0, abs=1e-4)
        assert psnr["low"] < psnr["mean"] < psnr["high"]
    assert methods["back-projection"]["metrics"]["psnr_db"]["gain"]["mean"] > 0.1
    assert methods["bicubic"]["parameters"] is None
    assert methods[str(weights)]["parameters"] == sum(p.numel() for p in load(weights)[0].parameters())
    assert found["faces"] == 4
    assert found["not_available"] == {"lpips": "no weights"}
    assert "lpips" not in methods["laa"]["metrics"]  # neither a zero nor a null
    assert found["published"]["CelebA"]["LAA-Transformer"]["psnr_db"] == 28.58


@pytest.mark.usefixtures("light")
def test_the_forms_agree(folder: Path, capsys: Any) -> None:
    request = FacesRequest(data=folder, device="cpu", limit=2)
    bench.run(request, Screen(data_on_stdout=True), "csv")
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    (bicubic,) = (float(line["value"]) for line in lines if (line["table"], line["method"], line["metric"])
                  == ("measured", "bicubic", "psnr_db"))  # fmt: skip
    assert sum(line["table"].startswith("published") for line in lines) == 2 * 3 * 3
    bench.run(request, Screen(data_on_stdout=True), "markdown")
    captured = capsys.readouterr()
    assert f"| bicubic | {bicubic:.2f} | - |" in captured.out
    assert "| paper, CelebA: LAA-Transformer | 28.58 | +4.48 | 0.8297 | +0.1692 | 0.1542 | -0.3725 |" in captured.out
    assert "LPIPS not available: no weights" in captured.out
    assert "measured: laa" in captured.err
    bench.run(request, Screen(), "table")
    shown = capsys.readouterr().out
    assert f"{bicubic:.2f}" in shown
    assert "n/a" in shown


def test_the_papers_gains_are_the_papers() -> None:
    """Printed in the paper as differences, too."""
    celeba, helen = PUBLISHED["CelebA"], PUBLISHED["Helen"]
    assert celeba["LAA-Transformer"]["psnr_db"] - celeba["Bicubic"]["psnr_db"] == pytest.approx(4.48)
    assert helen["LAA-Transformer"]["psnr_db"] - helen["Bicubic"]["psnr_db"] == pytest.approx(4.11)


@pytest.mark.usefixtures("light")
def test_a_smaller_set_than_asked_for_has_its_own_exit_code(folder: Path, capsys: Any) -> None:
    (folder / "002.png").write_bytes(b"\x89PNG broken")
    assert bench.run(FacesRequest(data=folder, device="cpu"), Screen(data_on_stdout=True), "json") == Exit.PARTLY
    found = json.loads(capsys.readouterr().out)
    assert found["faces"] == 4
    assert len(found["left_out"]) == 1
    assert "002.png" in found["left_out"][0]


def test_outputs_are_checked_before_the_work(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    taken = tmp_path / "taken.png"
    taken.write_bytes(b"precious")
    for request, message in (
        (FacesRequest(data=folder, report=tmp_path / "file" / "page.html"), "cannot write .*page.html: .*file is no folder"),
        (FacesRequest(data=folder, sheet=tmp_path / "taken.png"), "taken.png exists already"),
        (FacesRequest(data=folder, curve=folder), "is a folder: name a file"),
        (FacesRequest(data=folder, sheet=sorted(folder.glob("*.png"))[0], overwrite=True), "is an input of this run"),
        (FacesRequest(data=folder, weights=(taken,), report=taken, overwrite=True), "is an input of this run"),
        (FacesRequest(data=folder, peers=(tmp_path / "gone.pth",)), "cannot use the peer"),
        (FacesRequest(data=folder, weights=(tmp_path / "gone.safetensors",)), "cannot read the weights"),
    ):
        with pytest.raises(LaaError, match=message):
            bench.run(replace(request, device="cpu"), QUIET, "table")
    assert (tmp_path / "taken.png").read_bytes() == b"precious"


def test_a_table_escapes_what_it_holds() -> None:
    table = Table("a <b>", ("name", ">n"), [("x|y & z", "1")], ["note <i>"])
    assert "| x\\|y & z | 1 |" in table.markdown()
    html = table.html()
    assert "<h3>a &lt;b&gt;</h3>" in html
    assert '<td>x|y &amp; z</td><td class="number">1</td>' in html
    assert "note &lt;i&gt;" in html


@needs_chromium
@pytest.mark.usefixtures("light")
def test_the_report_is_one_page_for_every_screen(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "FACE_SIZES_PX", (16, 32))
    request = FacesRequest(data=folder, device="cpu", limit=3, sizes=True, sheet=tmp_path / "sheet.png",
                      curve=tmp_path / "curve.png",
                      report=tmp_path / "report.html")  # fmt: skip
    bench.run(request, QUIET, "table")
    with Image.open(tmp_path / "sheet.png") as sheet, Image.open(tmp_path / "curve.png") as curve:
        assert sheet.height > 3 * 128
        assert sheet.width > 5 * 128  # 16x16, bicubic, the network, upscale, truth
        assert curve.width > 400
    for width in (400, 1200):
        with opened(tmp_path / "report.html", width) as tab:
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            assert tab.locator(".slider").count() == 3
            assert "28.58" in tab.locator("table").first.inner_text()
            slider = tab.locator(".slider").first
            slider.scroll_into_view_if_needed()
            tab.wait_for_function("[...document.querySelector('.slider').querySelectorAll('img')].every(i => i.naturalWidth)")
            before = slider.screenshot()
            slider.locator("input").focus()
            tab.keyboard.press("Home")
            after = slider.screenshot()
            assert (
                np.abs(np.asarray(Image.open(io.BytesIO(before)), int) - np.asarray(Image.open(io.BytesIO(after)), int)).max()
                > 20
            )
