"""The curve over sizes and faults, LPIPS in it, and each fault against another way of making it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from fakes import pictures
from PIL import Image
from scipy.ndimage import gaussian_filter

from laa_cli.bench import faces as bench
from laa_cli.bench.degradation import DEGRADATIONS, FACE_FAULTS, Degradation
from laa_cli.bench.perceptual import MetricColumn
from laa_cli.bench.requests import FacesRequest
from laa_cli.bench.result import curve_table
from laa_cli.bench.size_curve import (
    FACE_SIZES_PX,
    degrade,
    degrade_face,
    measure_curve,
    methods_at_any_size,
)
from laa_cli.console import Screen
from laa_cli.errors import UsageError
from laa_cli.interfaces import FaceCrop
from laa_cli.restore.restorer import NetworkRestorer
from laa_cli.restore.runtime import Runtime
from models.checkpoint import PROTOCOL_WEIGHTS
from models.metrics import psnr_db
from models.protocol import reduce, resize

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
    restorer = NetworkRestorer.load(PROTOCOL_WEIGHTS, Runtime.on(CPU))
    crops = degrade(pictures(2, 128) / 255, 20, "clean")
    found = {name: function(crops) for name, function in methods_at_any_size({"laa": restorer}, restorer).items()}
    assert list(found) == ["bicubic", "back-projection", "through 16x16", "laa"]
    assert all(faces.shape == (2, 3, 128, 128) for faces in found.values())
    bicubic, projected = ((resize(found[row], 20) - crops).abs().mean() for row in ("bicubic", "back-projection"))
    assert projected < 0.5 * bicubic
    assert torch.equal(found["laa"], torch.stack([restored.face for restored in restorer([FaceCrop(crop) for crop in crops])]))


def test_all_faults_at_all_sizes(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    methods = {name: lambda crops: resize(crops, 128) for name in ("bicubic", "laa")}
    monkeypatch.setattr(bench, "methods_at_any_size", lambda *_: methods)
    table = [MetricColumn("psnr_db", "PSNR", 2, psnr_db), MetricColumn("consistency", "RMSE", 4, psnr_db)]
    request = FacesRequest(data=Path("faces"), device="cpu", faults=True, limit=2)
    curve = bench.measure_curves(request, CPU, pictures(3, 128), table, Screen())
    assert [(point.fault, point.side_px) for point in curve] == [(f, s) for f in FACE_FAULTS for s in FACE_SIZES_PX]
    assert {point.faces for point in curve} == {2}
    assert set(curve[0].rows["laa"]) == {"psnr_db"}
    assert curve[7].rows["bicubic"]["psnr_db"] > curve[0].rows["bicubic"]["psnr_db"] + 3
    assert "mixed    96 px" in capsys.readouterr().out
    lines = curve_table(curve[:8], table).lines
    assert [line[0] for line in lines] == [str(size) for size in FACE_SIZES_PX]
    assert bench.measure_curves(FacesRequest(data=Path("faces")), CPU, pictures(3, 128), table, Screen()) == []


def truths(count: int) -> torch.Tensor:
    """Faces with fine structure, on 8-bit levels."""
    noise = torch.rand(count, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    return (pictures(count, 128) / 255 * 0.7 + resize(noise, 128) * 0.3).clamp(0, 1).mul(255).round().div(255)


@pytest.mark.parametrize("side_px", FACE_SIZES_PX)
def test_clean_is_the_protocols_reduction(side_px: int) -> None:
    truth = truths(2)
    assert torch.equal(degrade(truth, side_px, "clean"), reduce(truth, side_px))


@pytest.mark.parametrize("fault", DEGRADATIONS)
def test_a_face_looks_the_same_in_every_batch(fault: str) -> None:
    truth = truths(3)
    together = degrade(truth, 20, fault)
    assert together.shape == (3, 3, 20, 20)
    assert torch.equal(together[1:2], degrade(truth[1:2], 20, fault))
    assert torch.equal(together.flip(0), degrade(truth.flip(0), 20, fault))
    levels = together * 255
    assert torch.equal(levels.round(), levels)
    assert together.min() >= 0
    assert together.max() <= 1


def test_noise_has_its_strength_and_follows_the_seed() -> None:
    truth = torch.full((4, 3, 128, 128), 128 / 255)
    truth[:, :, 0, 0] += torch.arange(4)[:, None] / 255  # four faces, not one
    noise = (degrade(truth, 96, "noise5") - degrade(truth, 96, "clean")) * 255
    assert noise.std().item() == pytest.approx(5, rel=0.03)
    assert abs(noise.mean().item()) < 0.1
    channels = noise.transpose(0, 1).flatten(1)
    assert (torch.corrcoef(channels) - torch.eye(3)).abs().max() < 0.03  # each channel has its own
    faces = noise.flatten(1)
    assert (torch.corrcoef(faces) - torch.eye(4)).abs().max() < 0.03  # and so has each face
    assert not torch.equal(degrade(truth, 96, "noise5", seed=1), degrade(truth, 96, "noise5"))


@pytest.mark.parametrize(("fault", "quality"), [("jpeg75", 75), ("jpeg50", 50)])
def test_jpeg_is_pillows(fault: str, quality: int) -> None:
    """Against OpenCV's encoder: the tables and the subsampling are the standard's in both."""
    truth = truths(1)
    clean = (reduce(truth, 48)[0] * 255).round().byte().permute(1, 2, 0).numpy()
    _, encoded = cv2.imencode(
        ".jpg",
        clean[..., ::-1],
        [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420],
    )
    expected = np.asarray(Image.open(io.BytesIO(encoded.tobytes()))).astype(float)
    found = (degrade(truth, 48, fault)[0] * 255).permute(1, 2, 0).numpy()
    damage = np.abs(found - clean).mean()
    assert damage > 1
    assert np.abs(found - expected).mean() < 0.1 * damage


def test_blur_is_a_gaussian_of_a_lanczos_reduction() -> None:
    """Against SciPy, which filters in floats and knows nothing of OpenCV."""
    truth = truths(1)[0]
    whole = (truth * 255).round().byte().permute(1, 2, 0).numpy()
    reduced = np.asarray(Image.fromarray(whole).resize((40, 40), Image.Resampling.LANCZOS)).astype(float)
    expected = gaussian_filter(reduced, (0.5, 0.5, 0), mode="mirror")
    found = degrade_face(truth, 40, Degradation(lanczos=True, blur_px=0.5), seed=0)
    assert np.abs(found - expected).max() <= 1
    assert np.abs(expected - reduced).max() > 5


def test_mixed_is_all_of_them() -> None:
    assert DEGRADATIONS["mixed"] == Degradation(lanczos=True, blur_px=0.5, noise=3, jpeg_quality=60)
    truth = truths(1)
    assert (degrade(truth, 48, "mixed") - degrade(truth, 48, "clean")).abs().mean() > 2 / 255


def test_an_unknown_fault_is_named() -> None:
    with pytest.raises(UsageError, match="unknown fault 'rain': use one of clean, jpeg90, jpeg75"):
        degrade(truths(1), 16, "rain")
