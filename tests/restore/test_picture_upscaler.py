"""The background by a network: every kind of photo and scale, tiles without seams, the same bytes for any number of threads."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from fakes import ROOT, noise_pixels, wave_pixels
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import FakePicture, run_steps, small_hpinet

from laa_cli.errors import UsageError
from laa_cli.photo.pixels import Pixels
from laa_cli.photo.resample import enlarge
from laa_cli.restore.fidelity import FEATURES
from laa_cli.restore.picture_network import HPINetPicture
from laa_cli.restore.picture_tiles import Tiling
from laa_cli.restore.picture_upscaler import PictureUpscaler, network_passes
from models.protocol import to_8_bits

CPU = torch.device("cpu")
KINDS = [(channels, dtype) for channels in (1, 2, 3, 4) for dtype in (np.uint8, np.uint16)]


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def upscaled(network: object, pixels: Pixels, scale: int, fidelity: float | None = None) -> Pixels:
    return run_steps(PictureUpscaler(network, fidelity).steps(pixels, scale)).pixels  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def hpinet() -> HPINetPicture:
    return HPINetPicture(small_hpinet(), "small", CPU)


@settings(deadline=None, max_examples=50)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    kind=st.sampled_from(KINDS),
    scale=st.sampled_from([1, 2, 4, 8]),
    network_scale=st.sampled_from([2, 3, 4, 8]),
)
def test_every_kind_of_photo_gets_its_size(
    height: int, width: int, kind: tuple[int, type], scale: int, network_scale: int
) -> None:
    pixels = noise_pixels(*kind, height, width)
    found = upscaled(FakePicture(network_scale, Tiling(24, 0, 8)), pixels, scale)
    assert found.shape == (height * scale, width * scale, kind[0])
    assert found.dtype == kind[1]


@pytest.mark.parametrize(("channels", "dtype"), [(1, np.uint8), (1, np.uint16), (3, np.uint8), (3, np.uint16)])
@pytest.mark.parametrize("network_scale", [2, 4, 8])
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_a_plain_network_gives_the_plain_enlargement(channels: int, dtype: type, network_scale: int, scale: int) -> None:
    pixels = wave_pixels(40, 60)[..., :channels].astype(dtype) * (np.iinfo(dtype).max // 255)
    found, expected = upscaled(FakePicture(network_scale), pixels, scale), enlarge(pixels, scale)
    assert np.abs(found.astype(int) - expected).max() <= 2.5 * (np.iinfo(dtype).max // 255)


@pytest.mark.parametrize("size", [(1, 30), (30, 1), (1, 1), (23, 5), (24, 24)], ids=str)
def test_hpinet_takes_photos_that_are_smaller_than_its_patches(hpinet: HPINetPicture, size: tuple[int, int]) -> None:
    pixels = noise_pixels(3, np.uint8, *size)
    assert upscaled(hpinet, pixels, 4).shape == (4 * size[0], 4 * size[1], 3)


def test_the_network_draws(hpinet: HPINetPicture) -> None:
    """What is written is the network's own picture, where nothing corrects it."""
    pixels = wave_pixels(50, 70)
    lr = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        expected = (to_8_bits(hpinet.chunked.network(lr))[0].permute(1, 2, 0) * 255).numpy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("laa_cli.restore.picture_upscaler.hold_to_photo", lambda *_: iter(()))
        found = upscaled(hpinet, pixels, 4)
    assert np.abs(found - expected).max() <= 1
    assert np.abs(enlarge(pixels, 4) - expected).max() > 4


def test_scale_1_leaves_the_photo_alone(hpinet: HPINetPicture) -> None:
    pixels = noise_pixels(4)
    enlarged = run_steps(PictureUpscaler(hpinet).steps(pixels, 1))
    assert np.array_equal(enlarged.pixels, pixels)
    assert enlarged.pixels is not pixels
    assert enlarged.background == "small"
    assert PictureUpscaler(hpinet).peak_bytes(100, 100, 1) == 0


@pytest.mark.parametrize(
    ("network_scale", "scale", "passes"),
    [(2, 2, [2]), (2, 4, [2, 2]), (2, 8, [2, 2, 2]), (3, 2, [2]), (3, 4, [3]), (4, 2, [2]), (4, 8, [4]), (8, 4, [4])],
)
def test_a_network_is_applied_while_it_fits(network_scale: int, scale: int, passes: list[int]) -> None:
    assert list(network_passes(network_scale, scale)) == passes


def test_grey_stays_grey_and_equals_colour(hpinet: HPINetPicture) -> None:
    grey = wave_pixels(30, 40)[..., :1] // 2 + 60  # nothing is clamped
    colour = upscaled(hpinet, grey.repeat(3, 2), 4)
    assert np.abs(upscaled(hpinet, grey, 4)[..., 0] - colour.astype(float).mean(2)).max() <= 2


def test_alpha_is_plain_and_hidden_colours_do_not_bleed(hpinet: HPINetPicture) -> None:
    pixels = np.dstack([wave_pixels(40, 40), np.full((40, 40), 255, np.uint8)])
    pixels[:, 20:, 3] = 0
    others = pixels.copy()
    others[:, 20:, :3] = noise_pixels(3, np.uint8, 40, 20)
    found = upscaled(hpinet, pixels, 4)
    assert np.array_equal(found, upscaled(hpinet, others, 4))
    assert np.array_equal(found[..., 3], enlarge(pixels[..., 3:], 4)[..., 0])


def steps_at(pixels: Pixels, columns: list[int]) -> np.ndarray:
    """The differences between neighbouring columns of a picture (h, w, c), where those columns begin."""
    return np.abs(np.diff(pixels.astype(float), axis=1))[:, [column - 1 for column in columns]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiles_have_no_seam(dtype: type) -> None:
    """Two tiles that disagree wholly, by 40 levels, go over into each other evenly."""
    pixels = np.full((20, 84, 3), 100 * (np.iinfo(dtype).max // 255), dtype)
    network = FakePicture(4, Tiling(50, 0, 16))
    offsets = iter([0.0, 40 / 255])
    run = network.run

    def disagree(tiles, count, workers):  # type: ignore[no-untyped-def]
        for share, rows in run(tiles, count, workers):
            offset = next(offsets) if rows else 0.0
            yield share, (lambda top, bottom, rows=rows, offset=offset: rows(top, bottom) + offset) if rows else None

    network.run = disagree  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("laa_cli.restore.picture_upscaler.hold_to_photo", lambda *_: iter(()))
        found = upscaled(network, pixels, 4) / (np.iinfo(dtype).max // 255)
    steps = np.diff(found[:, :, 0], axis=1)
    assert found[:, 0].mean() == pytest.approx(100, abs=0.5)
    assert found[:, -1].mean() == pytest.approx(140, abs=0.5)
    assert steps.min() >= 0
    assert steps.max() <= 2.1  # 40 levels over 32 px, rounded


def test_steps_across_hpinets_tiles_are_those_elsewhere(hpinet: HPINetPicture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hpinet, "tiling", Tiling(64, 0, 32), raising=False)
    pixels = wave_pixels(64, 96)
    found = upscaled(hpinet, pixels, 4)
    borders = [4 * column for column in (32, 40, 56, 64)]
    assert steps_at(found, borders).mean() < 1.3 * steps_at(found, [column + 40 for column in borders]).mean() + 1


def test_the_number_of_threads_changes_no_byte(hpinet: HPINetPicture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the estimate of fidelity neither."""
    pixels, results = noise_pixels(3, np.uint8, 70, 80), []
    monkeypatch.setattr(hpinet, "coefficients", (2.0, *[-0.05] * (FEATURES - 1)))
    for tiling in (Tiling(64), Tiling(1024, 4e6)):
        monkeypatch.setattr(hpinet, "tiling", tiling, raising=False)
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(upscaled(hpinet, pixels, 2))
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[2], results[3])


def test_it_may_be_given_up(hpinet: HPINetPicture) -> None:
    torch.set_num_threads(2)
    steps = PictureUpscaler(hpinet).steps(noise_pixels(3, np.uint8, 60, 60), 4)
    next(steps)
    next(steps)
    steps.close()
    assert torch.get_num_threads() == 2


def test_fidelity_is_estimated_or_asked_for() -> None:
    pixels = noise_pixels(3, np.uint8, 100, 100)
    for network, asked, expected in (
        (FakePicture(), None, 0.0),
        (FakePicture(), 0.7, 0.7),
        (FakePicture(coefficients=(30.0, *[0.0] * (FEATURES - 1))), None, 1.0),
        (FakePicture(coefficients=(0.0,) * FEATURES), None, 0.5),
    ):
        enlarged = run_steps(PictureUpscaler(network, asked).steps(pixels, 4))
        assert enlarged.fidelity == pytest.approx(expected)
        assert enlarged.background == "fake"
    with pytest.raises(UsageError, match="fidelity must be from 0 to 1"):
        PictureUpscaler(FakePicture(), 2)


MEASURE = """
from pathlib import Path
import numpy as np, torch
from laa_cli.restore.picture_network import HPINetPicture
from laa_cli.restore.picture_upscaler import PictureUpscaler
from models.hpinet.config import HPINetConfig
from models.hpinet.network import HPINet

def resident(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) << 10

torch.set_num_threads(1)
config = HPINetConfig(dim=64, qk_dim=4, mlp_dim=4, patch_sizes=(12,), layers=1, tail="one_step")
upscaler = PictureUpscaler(HPINetPicture(HPINet(config).eval(), "x", torch.device("cpu")), 0.5)

def run(side):
    for _ in upscaler.steps(np.zeros((side, side, 3), np.uint8), 2):
        pass

run(40)
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = resident("VmRSS")
run(400)
print(resident("VmHWM") - before - 400 * 400 * 3 * 4, upscaler.peak_bytes(400, 400, 2))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_its_memory_is_what_it_says() -> None:
    result = subprocess.run([sys.executable, "-c", MEASURE], cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    used, estimate = map(int, result.stdout.split())
    maps = 400 * 400 * 4 * 2 * 64
    assert maps / 2 < used < estimate < used + maps + (300 << 20)
