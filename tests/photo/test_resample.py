"""Enlarging: the protocol's kernel in every bit depth, and alpha."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fakes import noise_pixels
from PIL import Image

from laa_cli.photo import resample
from laa_cli.photo.pixels import to_floats
from laa_cli.photo.resample import enlarge, enlarge_8bit
from models.protocol import resize


def test_enlarging_matches_the_protocols_kernel_in_every_depth() -> None:
    photo = (noise_pixels(3, np.uint8, 21, 17) // 2 + 64).astype(np.uint8)  # no overshoot to clip, see the next test
    expected = resize(torch.from_numpy(to_floats(photo)).permute(2, 0, 1)[None], (84, 68))[0].clamp(0, 1)
    eight = enlarge(photo, 4)
    sixteen = enlarge((photo.astype(np.uint16) * 257), 4)
    # Two passes, each rounded, the first error weighted by up to 1.25 (the kernel's absolute sum): at most 1.13 levels.
    assert np.abs(eight - expected.permute(1, 2, 0).numpy() * 255).max() <= 1.13
    assert np.abs(sixteen - expected.permute(1, 2, 0).numpy() * 65535).max() <= 0.51


@pytest.mark.parametrize("channels", [1, 3])
def test_enlarging_8_bits_is_pillows_bicubic(channels: int) -> None:
    photo = noise_pixels(channels, np.uint8, 21, 17)
    picture = Image.fromarray(photo if channels == 3 else photo[..., 0])
    expected = np.asarray(picture.resize((68, 84), Image.Resampling.BICUBIC)).reshape(84, 68, channels)
    assert np.abs(enlarge(photo, 4).astype(int) - expected).max() <= 2  # both round twice, see above


def test_hidden_colours_do_not_bleed_into_the_edges_of_what_shows() -> None:
    photo = np.zeros((8, 8, 4), np.uint8)
    photo[:, 4:] = (200, 100, 50, 255)  # what shows; the black on the left is transparent
    large = enlarge(photo, 4)
    shows = large[..., 3] > 8
    assert np.abs(large[shows][:, :3].astype(int) - (200, 100, 50)).max() <= 2
    assert large[..., 3].max() == 255
    assert large[..., 3].min() == 0


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_strips_give_what_the_whole_would(channels: int, dtype: type, scale: int, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = noise_pixels(channels, dtype, 61, 17)
    whole = enlarge(photo, scale)
    for rows in (1, 5, 60):
        monkeypatch.setattr(resample, "BLOCK_BYTES", rows * whole[:scale].nbytes)
        np.testing.assert_array_equal(enlarge(photo, scale), whole)
        opaque = photo.copy()
        opaque[..., -1] = np.iinfo(dtype).max
        np.testing.assert_array_equal(enlarge(opaque, scale)[..., -1], np.iinfo(dtype).max)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_number_of_threads_changes_no_bit(channels: int, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = noise_pixels(channels, dtype, 61, 17)
    monkeypatch.setattr(resample, "BLOCK_BYTES", 1)
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            results.append(enlarge(photo, 4))
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("channels", [3, 4])
def test_channels_stay_beside_each_other(channels: int) -> None:
    enlarged = enlarge_8bit(noise_pixels(channels, np.uint8, 21, 17), 4)
    assert enlarged.flags.c_contiguous  # which failed, and took six times as long
