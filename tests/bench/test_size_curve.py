"""The curve over sizes and faults, and LPIPS in it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import pictures

from laa_cli.bench import faces as bench
from laa_cli.bench.perceptual import Column
from laa_cli.bench.result import curve_table
from laa_cli.bench.size_curve import DEGRADATIONS, FACE_SIZES_PX, THROUGH_16, degrade, measure_curve, methods_at_any_size
from laa_cli.console import Screen
from laa_cli.errors import LaaError
from laa_cli.interfaces import FaceCrop
from laa_cli.restore.restorer import NetworkRestorer
from models.metrics import psnr_db
from models.protocol import resize

CPU = torch.device("cpu")


def test_a_point_is_the_mean_over_all_faces() -> None:
    """Batches of 16 and a rest, against one batch by hand."""
    faces = pictures(19, 128)
    truth = faces / 255
    compared = {
        "bicubic": lambda crops: resize(crops, 128).clamp(0, 1),
        "grey": lambda crops: torch.full((len(crops), 3, 128, 128), 0.5),
    }
    (point,) = measure_curve(compared, faces, [("noise5", 24)], [("psnr_db", psnr_db)])
    assert (point.fault, point.side_px, point.faces) == ("noise5", 24, 19)
    expected = psnr_db(resize(degrade(truth, 24, "noise5"), 128), truth).mean().item()
    assert point.rows["bicubic"]["psnr_db"] == pytest.approx(expected)
    assert point.rows["grey"]["psnr_db"] == pytest.approx(psnr_db(torch.full_like(truth, 0.5), truth).mean().item())


def test_the_rows_are_what_they_say() -> None:
    restorer = NetworkRestorer.load(THROUGH_16, CPU)
    crops = degrade(pictures(2, 128) / 255, 20, "clean")
    found = {name: function(crops) for name, function in methods_at_any_size({"laa": restorer}, restorer).items()}
    assert list(found) == ["bicubic", "back-projection", "through 16x16", "laa"]
    assert all(faces.shape == (2, 3, 128, 128) for faces in found.values())
    bicubic, projected = ((resize(found[row], 20) - crops).abs().mean() for row in ("bicubic", "back-projection"))
    assert projected < 0.5 * bicubic
    assert torch.equal(found["laa"], torch.stack([restored.face for restored in restorer([FaceCrop(crop) for crop in crops])]))


def test_all_faults_at_all_sizes(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        bench, "methods_at_any_size", lambda *_: {name: lambda crops: resize(crops, 128) for name in ("bicubic", "laa")}
    )
    table = [Column("psnr_db", "PSNR", 2, psnr_db), Column("consistency", "RMSE", 4, psnr_db)]
    request = bench.FacesRequest(Path("faces"), device="cpu", faults=True, limit=2)
    curve = bench.curves(request, CPU, pictures(3, 128), table, Screen())
    assert [(point.fault, point.side_px) for point in curve] == [(f, s) for f in DEGRADATIONS for s in FACE_SIZES_PX]
    assert {point.faces for point in curve} == {2}
    assert set(curve[0].rows["laa"]) == {"psnr_db"}
    assert curve[7].rows["bicubic"]["psnr_db"] > curve[0].rows["bicubic"]["psnr_db"] + 3
    assert "mixed    96 px" in capsys.readouterr().out
    lines = curve_table(curve[:8], table).lines
    assert [line[0] for line in lines] == [str(size) for size in FACE_SIZES_PX]
    assert bench.curves(bench.FacesRequest(Path("faces")), CPU, pictures(3, 128), table, Screen()) == []


def test_a_missing_matplotlib_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    request = bench.FacesRequest(tmp_path / "missing", device="cpu", curve=tmp_path / "curve.png")
    with pytest.raises(LaaError, match=r"matplotlib .*pip install 'laa\[bench\]'"):
        bench.run(request, Screen(), "table")
