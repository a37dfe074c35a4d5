"""`laa bench doubt`: what it measures, its forms, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import CPU, TINY, folder_of, gaussian_noise, grainy_portrait, pictures, textured_faces

from laa_cli.bench import coverage as bench
from laa_cli.bench.doubt_result import DoubtCell, average_ranks, format_cells, mean_figures, rank_correlation
from laa_cli.bench.requests import DoubtRequest
from laa_cli.console import Screen
from laa_cli.errors import Exit, LaaError
from laa_cli.interfaces import FaceCrop, RestoredFace
from laa_cli.restore.doubt import Doubt
from laa_cli.restore.doubt_features import FEATURES
from laa_cli.restore.restorer import NetworkRestorer
from laa_cli.restore.runtime import choose_runtime
from models.checkpoint import ModelCard, save_bytes
from models.laa.network import LAATransformer

QUIET = Screen(quiet=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_of(pictures(3, 128), tmp_path / "faces")


def weights(path: Path, coefficients: tuple[float, ...]) -> Path:
    card = ModelCard(TINY, "tiny", crop_px=(10, 96), doubt_coefficients=coefficients)
    path.write_bytes(save_bytes(LAATransformer(TINY), card))
    return path


@pytest.fixture
def sure(tmp_path: Path) -> Path:
    """Weights whose error bars are 20 levels, whatever the face."""
    return weights(tmp_path / "sure.safetensors", (torch.tensor(20.0).log().item(), *[0.0] * (FEATURES - 1)))


# correlation


def test_rank_correlation_is_spearmans() -> None:
    random = torch.Generator().manual_seed(0)
    first = torch.rand(500, generator=random)
    assert rank_correlation(first, first.exp()) == pytest.approx(1)
    assert rank_correlation(first, -(first**3)) == pytest.approx(-1)
    second = torch.rand(500, generator=random)
    differences = first.argsort().argsort() - second.argsort().argsort()
    by_hand = 1 - 6 * differences.square().sum().item() / (500 * (500**2 - 1))
    assert rank_correlation(first, second) == pytest.approx(by_hand)
    assert rank_correlation(first, torch.ones(500)) == 0


def test_equal_values_share_a_rank() -> None:
    assert average_ranks(torch.tensor([3.0, 1.0, 3.0, 9.0])).tolist() == [2.5, 1, 2.5, 4]


# figures


def test_a_cell_counts_what_is_within(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = textured_faces(4)
    sigma = torch.linspace(2, 12, 128).expand(3, 128, 128) / 255
    noisy = faces + 255 * sigma * gaussian_noise(faces, 1)
    for widths, expected in ((1.0, 0.9), (0.41, 0.5)):
        answers = iter(noisy)
        monkeypatch.setattr(bench, "estimate_doubt", lambda *_, w=widths: Doubt(w * 1.6449 * sigma[0]))
        restorer: Any = lambda crops, answers=answers: [RestoredFace(next(answers), 1.0, 0.0)]  # noqa: E731
        cell, sample = bench.measure_cell(restorer, faces.mul(255).byte(), "clean", 16, QUIET)
        assert cell.coverage.shape == (4,)
        assert cell.coverage.mean().item() == pytest.approx(expected, abs=0.01)
        assert cell.half_width.mean().item() == pytest.approx(widths * 1.6449 * 7, rel=0.01)
        assert cell.error.mean().item() == pytest.approx(7 * 0.798, rel=0.02)
        assert 0.4 < cell.pooled_correlation < 0.8
        assert sample.shape == (2, 4 * 32 * 32)


def test_crops_are_degraded_and_errors_are_of_the_restored_face() -> None:
    seen: list[FaceCrop] = []

    def network(inputs: torch.Tensor) -> torch.Tensor:
        return inputs

    class Watched(NetworkRestorer):
        def __call__(self, crops: Any) -> list[RestoredFace]:
            seen.extend(crops)
            return super().__call__(crops)

    restorer = Watched(network, CPU, (10, 96), 0.0, doubt_coefficients=(0.0,) * FEATURES)
    truth = textured_faces(1)[0]
    half_width, error = bench.measure_face(restorer, truth, "jpeg75", 24)
    assert seen[0].image.shape == (3, 24, 24)
    assert torch.equal(error, 255 * (NetworkRestorer.__call__(restorer, seen)[0].face - truth).abs())
    assert half_width.numpy() == pytest.approx(1)


def cell(coverage: float) -> DoubtCell:
    values = torch.full((3,), 0.5, dtype=torch.float64)
    return DoubtCell("clean", 16, torch.full((3,), coverage, dtype=torch.float64), 20 * values, 4 * values, values, 0.6)


def test_a_coverage_that_is_too_far_off_is_marked() -> None:
    for coverage, marked in ((0.9, False), (0.885, False), (0.879, True), (0.93, True)):
        assert ("!" in format_cells(mean_figures([cell(coverage)]), 0.6)[0]) == marked


def test_the_last_line_is_of_all_cells() -> None:
    found = mean_figures([cell(0.8), cell(1.0)])
    assert found["coverage"]["mean"] == pytest.approx(0.9)
    assert (found["half_width"], found["error"], found["correlation"]) == (10, 2, 0.5)


# the command


@pytest.fixture
def two_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SIZES_PX", (16, 48))


@pytest.mark.usefixtures("two_sizes")
def test_every_form(folder: Path, sure: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = DoubtRequest(data=folder, weights=sure, limit=2, device="cpu", report=tmp_path / "page.html")
    assert bench.run(request, Screen(data_on_stdout=True), "json") == Exit.OK
    record = json.loads(capsys.readouterr().out)
    assert (record["faces"], record["nominal_coverage"], len(record["cells"])) == (2, 0.9, 4)
    assert [(one["fault"], one["crop_px"]) for one in record["cells"][1:3]] == [("clean", 48), ("jpeg75", 16)]
    assert record["all"]["half_width"] == pytest.approx(20, rel=1e-4)
    assert record["cells"][1]["error"] < record["cells"][3]["error"]
    page = (tmp_path / "page.html").read_text()
    assert "error bars of restored faces" in page
    assert page.count("jpeg75") == 2
    request = DoubtRequest(data=folder, weights=sure, limit=1, device="cpu")
    assert bench.run(request, Screen(data_on_stdout=True), "csv") == Exit.OK
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["fault"] for row in rows] == ["clean"] * 2 + ["jpeg75"] * 2 + ["all"]
    assert all(0 <= float(row["coverage"]) <= 1 for row in rows)
    assert bench.run(request, Screen(), "table") == Exit.OK
    assert "rank" in capsys.readouterr().out


def test_the_shipped_weights_are_less_sure_of_fewer_pixels() -> None:
    restorer = NetworkRestorer.load(None, choose_runtime("cpu"))
    truth = grainy_portrait()[0]
    small, large = (bench.measure_face(restorer, truth, "clean", side)[0] for side in (16, 48))
    assert small.mean() > 1.2 * large.mean()
    assert large.min() > 1
    assert small.max() < 255


def test_weights_without_error_bars_are_refused_before_the_work(folder: Path, tmp_path: Path) -> None:
    path = weights(tmp_path / "old.safetensors", ())
    with pytest.raises(LaaError, match=r"old\.safetensors were trained by a laa without error bars"):
        bench.run(DoubtRequest(data=folder, weights=path, device="cpu"), QUIET, "table")


def test_weights_of_another_form_are_refused(folder: Path, tmp_path: Path) -> None:
    path = weights(tmp_path / "odd.safetensors", (1.0, 2.0))
    with pytest.raises(LaaError, match="of another version of laa"):
        bench.run(DoubtRequest(data=folder, weights=path, device="cpu"), QUIET, "table")


@pytest.mark.usefixtures("two_sizes")
def test_a_face_that_cannot_be_read_is_left_out(folder: Path, sure: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "000.png").write_bytes(b"\x89PNG broken")
    assert bench.run(DoubtRequest(data=folder, weights=sure, limit=1, device="cpu"), Screen(), "table") == Exit.PARTLY
    assert "left out" in capsys.readouterr().err
