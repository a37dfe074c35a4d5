"""The degradation and the network's input against an independent implementation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fakes import textured_faces
from PIL import Image

from models.protocol import network_input, reduce, resize


def test_reduction_is_pils_bicubic() -> None:
    hr = textured_faces(1)
    picture = Image.fromarray((hr[0] * 255).round().byte().permute(1, 2, 0).numpy())
    expected = np.asarray(picture.resize((16, 16), Image.Resampling.BICUBIC)).astype(int)
    found = (reduce(hr)[0] * 255).round().permute(1, 2, 0).numpy()
    assert np.abs(found - expected).max() <= 1
    enlarged = np.asarray(Image.fromarray(expected.astype(np.uint8)).resize((128, 128), Image.Resampling.BICUBIC)).astype(int)
    lr = torch.from_numpy(expected).permute(2, 0, 1)[None] / 255
    # Pillow rounds after each of its two passes, the network's input is not rounded at all.
    assert np.abs((network_input(lr.float())[0] * 255).permute(1, 2, 0).numpy() - enlarged).max() <= 1.5


@pytest.mark.parametrize("size", [(30, 1), (1, 30), (120, 1), (1, 1)], ids=str)
def test_pictures_one_pixel_wide(size: tuple[int, int]) -> None:
    """torch's kernel takes the wrong pixels of them."""
    line = torch.rand(1, 3, 60, 1, generator=torch.Generator().manual_seed(0))
    expected = resize(line.expand(-1, -1, -1, 2).contiguous(), (size[0], 2 * size[1]))[..., :1]
    torch.testing.assert_close(resize(line, size)[..., :1], expected)
