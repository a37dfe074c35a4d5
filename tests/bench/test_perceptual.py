"""Metrics against independent implementations, and what becomes of those that cannot be had."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from facenet_pytorch import InceptionResnetV1
from fakes import pictures
from PIL import Image
from skimage.metrics import structural_similarity
from torch import nn
from torch.nn import functional as F

from laa_cli.bench import perceptual
from laa_cli.bench.evaluate import bootstrap_mean
from laa_cli.bench.perceptual import (
    ALEXNET,
    VGGFACE2,
    UnavailableError,
    available_metrics,
    consistency,
    load_cached,
    load_identity_similarity,
    load_lpips,
    metric_columns,
)
from models.protocol import resize


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    """Three faces and worse ones, off the 8-bit levels."""
    truth = pictures(3, 128) / 255
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(2))
    return (truth + noise * torch.tensor([0.02, 0.05, 0.1]).view(3, 1, 1, 1)).clamp(0, 1), truth


def lumas(images: torch.Tensor) -> list[np.ndarray]:
    """BT.601 by Pillow's own matrix is full range; so by hand, as in the paper's field."""
    rgb = (images * 255).round().double().permute(0, 2, 3, 1).numpy()
    return [(65.481 * p[..., 0] + 128.553 * p[..., 1] + 24.966 * p[..., 2]) / 255 + 16 for p in rgb]


def test_psnr_and_ssim_are_the_fields() -> None:
    output, truth = pair()
    found = {
        key: metric(output, truth).tolist() for key, metric in available_metrics(metric_columns()) if key in ("psnr_db", "ssim")
    }
    for index, (a, b) in enumerate(zip(lumas(output), lumas(truth), strict=True)):
        assert found["psnr_db"][index] == pytest.approx(10 * np.log10(255**2 / np.mean((a - b) ** 2)), abs=1e-4)
        _, full = structural_similarity(
            a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
        )
        assert found["ssim"][index] == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-5)


def test_consistency_is_the_error_of_16_pixels() -> None:
    output, truth = pair()

    def small(face: torch.Tensor) -> np.ndarray:
        picture = Image.fromarray((face * 255).round().byte().permute(1, 2, 0).numpy())
        return np.asarray(picture.resize((16, 16), Image.Resampling.BICUBIC)).astype(float) / 255

    expected = [np.sqrt(np.mean((small(a) - small(b)) ** 2)) for a, b in zip(output, truth, strict=True)]
    assert consistency(output, truth).tolist() == pytest.approx(expected, rel=0.03, abs=2e-4)  # Pillow weighs in 8 bits
    assert consistency(truth, truth).tolist() == [0, 0, 0]


def random_alexnet() -> Any:
    """The `lpips` package's own metric, on a backbone that nobody needs to download."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lpips

        torch.manual_seed(0)
        return lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)


def test_lpips_is_the_packages(capsys: Any) -> None:
    theirs = random_alexnet()
    state = {"features." + name.split(".", 1)[1]: value for name, value in theirs.net.state_dict().items()}
    output, truth = pair()
    levels = (output * 255).round() / 255
    with torch.no_grad():
        expected = theirs(levels * 2 - 1, truth * 2 - 1).flatten().tolist()
    assert min(expected) > 0
    assert load_lpips(state)(output, truth).tolist() == pytest.approx(expected, rel=1e-4)
    assert capsys.readouterr() == ("", "")  # no word of its own


def random_facenet() -> InceptionResnetV1:
    """Random weights whose normalisations have seen pictures; without, all faces would look the same to it."""
    torch.manual_seed(0)
    network = InceptionResnetV1().train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network(resize(pictures(6, 128) / 128 - 1, 160))
    return network.eval()


def test_identity_is_a_cosine() -> None:
    network = random_facenet()
    output, truth = pair()
    metric = load_identity_similarity(network.state_dict())
    assert metric(truth, truth).tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    levels = [(images * 255).round() for images in (output, truth)]  # facenet-pytorch's own scaling of 8-bit faces follows
    inputs = [(F.interpolate(x, (160, 160), mode="bicubic", antialias=True) - 127.5) / 128.0 for x in levels]
    with torch.no_grad():
        a, b = (network(x).double().numpy() for x in inputs)
    expected = 1 - (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert (1 - metric(output, truth).numpy()).tolist() == pytest.approx(expected.tolist(), rel=0.02)
    assert min(expected) > 1e-3


@contextmanager
def cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """torch's cache elsewhere."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(folder / "hub"))
    (folder / "hub" / "checkpoints").mkdir(parents=True)
    yield folder / "hub" / "checkpoints"


def test_missing_weights_make_a_column_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a download that nobody allowed")

    monkeypatch.setattr(torch.hub, "download_url_to_file", never)
    with cache(tmp_path, monkeypatch):
        table = {column.key: column for column in metric_columns()}
    assert [key for key, column in table.items() if column.measure is None] == ["lpips", "identity"]
    assert "alexnet-owt-7be5be79.pth is not in torch's cache" in table["lpips"].unavailable
    assert "--fetch" in table["identity"].unavailable


def test_a_missing_package_makes_a_column_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lpips", None)
    reason = next(column.unavailable for column in metric_columns() if column.key == "lpips")
    assert "pip install 'laa[bench]'" in reason


def test_a_failed_download_makes_a_column_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(*_: object, **__: object) -> None:
        raise OSError("timed out")

    monkeypatch.setattr(torch.hub, "download_url_to_file", dead)
    with cache(tmp_path, monkeypatch), pytest.raises(UnavailableError, match=r"the download of https.* failed \(timed out\)"):
        load_cached(ALEXNET, fetch=True)


def test_weights_are_read_from_either_cache_and_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = VGGFACE2.rsplit("/", 1)[1]
    with cache(tmp_path, monkeypatch) as folder:
        other = tmp_path / "checkpoints"
        other.mkdir()
        torch.save({"a": torch.ones(1)}, other / name)
        assert load_cached(VGGFACE2, fetch=False)["a"] == 1
        torch.save({"a": Path("anything but tensors")}, folder / name)
        with pytest.raises(UnavailableError, match="cannot be read"):
            load_cached(VGGFACE2, fetch=False)
        (folder / name).write_bytes(b"half a downl")
        with pytest.raises(UnavailableError, match="cannot be read"):
            load_cached(VGGFACE2, fetch=False)
        torch.save({"a": torch.ones(1)}, folder / name)
        with pytest.raises(UnavailableError, match="other weights"):
            load_identity_similarity()
    assert perceptual.TIMEOUT_S <= 60


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Of 200 samples of 60 normal values, about 95 % of the intervals hold the mean; and it has the t interval's width."""
    random = torch.Generator().manual_seed(0)
    means = [bootstrap_mean(torch.randn(60, generator=random) + 3) for _ in range(200)]
    covered = sum(mean.low <= 3 <= mean.high for mean in means) / 200
    assert 0.90 <= covered <= 0.99
    assert np.mean([mean.half_width for mean in means]) == pytest.approx(1.96 / np.sqrt(60), rel=0.06)
    assert bootstrap_mean(torch.tensor([2.0])) == bootstrap_mean(torch.tensor([2.0, 2.0]))
