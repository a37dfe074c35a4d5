"""Other projects' networks over whole photos: fed as they ask, in tiles, to the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import noise_pixels, randomize_parameters, save_network, small_swinir, wave_pixels
from pictures import run_steps
from spandrel.architectures.Compact.__arch.SRVGG import SRVGGNetCompact
from spandrel.architectures.ESRGAN.__arch.RRDB import RRDBNet
from torch import nn

from laa_cli.errors import LaaError
from laa_cli.restore import spandrel_picture
from laa_cli.restore.picture_network import load_picture_network
from laa_cli.restore.picture_tiles import Tiling
from laa_cli.restore.picture_upscaler import PictureUpscaler
from laa_cli.restore.spandrel_picture import SpandrelPicture

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def loaded(network: nn.Module, folder: Path) -> SpandrelPicture:
    found = load_picture_network(save_network(network, folder / "model.safetensors"), CPU)
    assert isinstance(found, SpandrelPicture)
    return found


def real_esrgans() -> list[nn.Module]:
    """Real-ESRGAN's two architectures, small, with random weights."""
    torch.manual_seed(0)
    return [
        RRDBNet(in_nc=3, out_nc=3, num_filters=8, num_blocks=1, scale=4),
        SRVGGNetCompact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=4),
    ]


@pytest.mark.parametrize("index", [0, 1], ids=["RRDBNet", "compact"])
def test_a_photo_in_tiles_is_the_networks_picture(index: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles overlap by more than these networks see, so that nothing but the blend's rounding is left of them."""
    network = real_esrgans()[index]
    picture = loaded(network, tmp_path)
    photo = wave_pixels(60, 110)
    lr = torch.from_numpy(photo).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        expected = (network.eval()(lr)[0].clamp(0, 1) * 255).permute(1, 2, 0).numpy()
    picture.tiling = Tiling(64, 0, 40)
    monkeypatch.setattr("laa_cli.restore.picture_upscaler.hold_to_photo", lambda *_: iter(()))
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        results.append(run_steps(PictureUpscaler(picture).steps(photo, 4)).pixels)
    assert np.array_equal(results[0], results[1])
    assert np.abs(results[0] - expected).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 70), (30, 3), (17, 40)], ids=str)
def test_small_photos_are_padded(size: tuple[int, int], tmp_path: Path) -> None:
    picture = loaded(small_swinir(2), tmp_path)
    for scale in (2, 8):
        found = run_steps(PictureUpscaler(picture).steps(noise_pixels(4, np.uint16, *size), scale)).pixels
        assert found.shape == (size[0] * scale, size[1] * scale, 4)


def test_its_descriptor_chooses_the_tiles(tmp_path: Path) -> None:
    assert loaded(real_esrgans()[1], tmp_path).tiling.side == 256
    assert loaded(small_swinir(2), tmp_path).tiling.side == 512  # advised against tiles
    picture = loaded(randomize_parameters(real_esrgans()[1]), tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spandrel_picture, "available_bytes", lambda: 3 * (4 * 256) ** 2 * spandrel_picture.BYTES_PER_OUTPUT_PIXEL)
        assert picture.tiles_at_once(8) == 1
        assert picture.tile_bytes(10, 10, 8) == 100 * 16 * spandrel_picture.BYTES_PER_OUTPUT_PIXEL


def test_what_fails_later_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = loaded(real_esrgans()[1], tmp_path)

    def fail(*_: object) -> None:
        raise RuntimeError("shapes differ\nin many lines")

    monkeypatch.setattr(SRVGGNetCompact, "forward", fail)
    with pytest.raises(LaaError, match=r"^model fails on a picture of 13x9: shapes differ$"):
        run_steps(PictureUpscaler(picture).steps(noise_pixels(3), 4))
