"""Training pairs: the arithmetic of photos' faults against the libraries that make them, and what each draw promises."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from laa_cli.train import corruptions as faults
from laa_cli.train.corruptions import KERNELS, jpeg, resample
from laa_cli.train.tasks import CROP_PX, GREY_SHARE, MAX_SHIFT_PX, BlindTask, ProtocolTask, random_affine
from models.protocol import reduce, resize, to_8_bits


def picture(size: int, seed: int = 0) -> torch.Tensor:
    """Structure at all scales on 8-bit levels, (3, size, size)."""
    random = torch.Generator().manual_seed(seed)
    layers = [resize(torch.rand(1, 3, side, side, generator=random), size) for side in (3, 8, size)]
    return to_8_bits((layers[0] * 3 + layers[1] * 2 + layers[2]) / 6)[0]


def as_image(rgb: torch.Tensor) -> Image.Image:
    return Image.fromarray(rgb.mul(255).round().byte().permute(1, 2, 0).numpy())


def as_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div(255)


@pytest.mark.parametrize("quality", [40, 50, 75, 95])
@pytest.mark.parametrize("size", [17, 48, 128])
def test_jpeg_is_pillows(quality: int, size: int) -> None:
    """Within libjpeg's integer rounding, which now and then moves a coefficient by a step; far less than the coding does."""
    ours, coding = [], []
    for seed in range(8):
        rgb = picture(size, seed)
        file = io.BytesIO()
        as_image(rgb).save(file, "JPEG", quality=quality, subsampling="4:2:0")
        decoded = as_tensor(Image.open(file))
        ours.append((jpeg(rgb, quality) - decoded).abs().mean().item())
        coding.append((rgb - decoded).abs().mean().item())
    assert np.mean(ours) < 1.5 / 255
    assert np.mean(ours) < 0.3 * np.mean(coding)


@pytest.mark.parametrize(
    ("kernel", "filter_"),
    [
        ("bicubic", Image.Resampling.BICUBIC),
        ("lanczos", Image.Resampling.LANCZOS),
        ("bilinear", Image.Resampling.BILINEAR),
        ("box", Image.Resampling.BOX),
    ],
)
@pytest.mark.parametrize("side", [16, 37, 96])
def test_kernels_are_pillows(kernel: str, filter_: Image.Resampling, side: int) -> None:
    rgb = picture(128)
    expected = as_tensor(as_image(rgb).resize((side, side), filter_))
    assert (resample(rgb, side, KERNELS[kernel]).clamp(0, 1) - expected).abs().max() < 2.5 / 255


def test_gaussian_blur_is_pillows() -> None:
    rgb = picture(64)
    expected = as_tensor(as_image(rgb).filter(ImageFilter.GaussianBlur(1.5)))
    inner = np.s_[:, 6:-6, 6:-6]
    assert (faults.gaussian_blur(rgb, 1.5) - expected)[inner].abs().mean() < 1.5 / 255  # Pillow's is made of boxes


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), room=st.sampled_from([0, 7, 16]))
def test_any_draw_gives_crops_on_8_bit_levels(seed: int, room: int) -> None:
    faces = torch.stack([picture(128 + room, seed % 7), picture(128 + room, 8)]).mul(255).byte()
    samples = BlindTask()(faces, torch.Generator().manual_seed(seed))
    again = BlindTask()(faces, torch.Generator().manual_seed(seed))
    assert samples.truth.shape == (2, 3, 128, 128)
    assert torch.equal(samples.truth, again.truth)
    for face, crop, same, projected in zip(samples.truth, samples.crops, again.crops, samples.back_projected, strict=True):
        assert torch.equal(crop, same)
        side = crop.shape[-1]
        assert crop.shape == (3, side, side)
        assert CROP_PX[0] <= side <= CROP_PX[1]
        assert torch.equal(crop, to_8_bits(crop))
        if projected:
            assert torch.equal(crop, reduce(face[None], side)[0])


def test_draws_keep_their_shares() -> None:
    samples = BlindTask()(torch.stack([picture(144).mul(255).byte()] * 400), torch.Generator().manual_seed(1))
    sides = torch.tensor([crop.shape[-1] for crop in samples.crops])
    assert 0.25 < (sides == 16).float().mean() < 0.42
    assert 0.37 < np.mean(samples.back_projected) < 0.53
    assert sides.min() < 12
    assert sides.max() > 80
    grey = (samples.truth[:, 0] == samples.truth[:, 2]).flatten(1).all(1).float().mean()
    assert GREY_SHARE / 3 < grey < GREY_SHARE * 2


def test_the_papers_task_shifts_and_mirrors_and_nothing_else() -> None:
    column = torch.arange(144, dtype=torch.uint8).expand(64, 3, 144, 144).contiguous()
    samples = ProtocolTask()(column, torch.Generator().manual_seed(0))
    assert torch.equal(torch.stack(samples.crops), reduce(samples.truth))
    truth = samples.truth.mul(255).round().int()
    starts = truth[:, 0, 0, 0]
    unflipped = starts[truth[:, 0, 0, 1] > starts]
    assert 10 < len(unflipped) < 54
    assert unflipped.min() == 8 - MAX_SHIFT_PX
    assert unflipped.max() == 8 + MAX_SHIFT_PX


def test_turned_views_look_at_the_middle() -> None:
    """A blob in the middle stays within the reach of shift and zoom, and the picture's scale stays the faces'."""
    faces = torch.zeros(32, 3, 144, 144)
    faces[:, :, 62:82, 62:82] = 1
    views = random_affine(faces, torch.Generator().manual_seed(0))
    place = torch.arange(128) + 0.5
    mass = views[:, 0].sum((1, 2))
    for axis in (1, 2):
        centre = (views[:, 0].sum(3 - axis) * place).sum(1) / mass
        assert (centre - 64).abs().max() < MAX_SHIFT_PX / 0.88 + 0.5
    assert 400 / 1.1**2 * 0.95 < mass.min() < 400 < mass.max() < 400 / 0.88**2 * 1.05
