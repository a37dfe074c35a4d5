"""What enlarges the photo outside the faces: by which rule, and from which file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import CPU, FakeBackground, noise_pixels

from laa_cli.options import AUTO, HPINET, PLAIN, ModelOptions
from laa_cli.photo.resample import enlarge
from laa_cli.restore.background import FILE, AutoUpscaler, PlainUpscaler, background_rule, background_weights
from laa_cli.utils.steps import run_to_end

GPU = torch.device("cuda")  # named only, never used


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_plain_is_bicubic_and_takes_no_memory(scale: int, kind: type) -> None:
    pixels = noise_pixels(4, kind)
    enlarged = run_to_end(PlainUpscaler().steps(pixels, scale))
    assert np.array_equal(enlarged.pixels, enlarge(pixels, scale))
    assert (enlarged.background, enlarged.fidelity, enlarged.reason) == (PLAIN, None, "")
    assert PlainUpscaler().peak_bytes(9, 13, scale) == 0


def test_the_size_of_the_enlarged_picture_decides() -> None:
    auto = AutoUpscaler(FakeBackground(peak=7), max_pixels=4 * 9 * 13)
    pixels = noise_pixels()
    small, large = run_to_end(auto.steps(pixels, 2)), run_to_end(auto.steps(pixels, 4))
    assert (small.background, small.fidelity, small.reason) == ("fake", 0.25, "")
    assert np.array_equal(small.pixels, ~enlarge(pixels, 2))
    assert np.array_equal(large.pixels, enlarge(pixels, 4))
    assert (large.background, large.fidelity) == (PLAIN, None)
    assert (auto.peak_bytes(9, 13, 2), auto.peak_bytes(9, 13, 4)) == (7, 0)


@pytest.mark.parametrize(
    ("height", "width", "said"),
    [
        (1000, 1500, ""),  # 24 megapixels to the pixel
        (1000, 1501, "24.016 megapixels are more than 24; --background hpinet does them, too, and takes its time"),
        (4000, 3000, "192 megapixels are more than 24; --background hpinet does them, too, and takes its time"),
    ],
)
def test_the_limit_is_said_where_it_decides(height: int, width: int, said: str) -> None:
    assert AutoUpscaler(FakeBackground()).too_large(height, width, 4) == said


@pytest.mark.parametrize(
    ("background", "on_a_cpu", "on_a_gpu"),
    [(AUTO, AUTO, HPINET), (PLAIN, PLAIN, PLAIN), (HPINET, HPINET, HPINET), ("a.pth", FILE, FILE), ("./plain", FILE, FILE)],
)
def test_the_rule_depends_on_whether_there_is_an_accelerator(
    background: str, on_a_cpu: str, on_a_gpu: str, shipped_background: Path
) -> None:
    options = ModelOptions(background=background)
    assert [background_rule(options, device) for device in (CPU, GPU)] == [on_a_cpu, on_a_gpu]
    expected = {AUTO: shipped_background, HPINET: shipped_background, PLAIN: None}.get(background, Path(background))
    assert background_weights(options) == expected
