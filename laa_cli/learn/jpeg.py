"""What JPEG does to a picture, in tensor arithmetic, so that training needs no files and can run on any device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..gauge import dct_matrix

# Quantisation tables of the JPEG standard, Annex K, for quality 50.
LUMA_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA_TABLE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))  # JFIF
TO_RGB = ((1, 0, 1.402), (1, -0.344136, -0.714136), (1, 1.772, 0))


def jpeg(rgb: Tensor, quality: int) -> Tensor:
    """(3, h, w) RGB in [0, 1] -> the same after JPEG with 4:2:0 chroma at a quality of 1 to 100, at 8-bit levels.

    As libjpeg codes and decodes, chroma enlarged by its triangle filter; checked against Pillow in the tests.
    """
    height, width = rgb.shape[1:]
    levels = F.pad(rgb.mul(255)[None], (0, -width % 16, 0, -height % 16), mode="replicate")[0]
    y, blue, red = torch.einsum("dc,chw->dhw", levels.new_tensor(TO_YCC), levels.round()).round()
    chroma = F.avg_pool2d(torch.stack((blue, red))[None], 2)[0].round()
    y = quantize(y[None] - 128, LUMA_TABLE, quality) + 128
    chroma = quantize(chroma, CHROMA_TABLE, quality)[:, : (height + 1) // 2, : (width + 1) // 2]
    chroma = F.interpolate(chroma[None], scale_factor=2.0, mode="bilinear")[0]
    ycc = torch.cat((y[:, :height, :width], chroma[:, :height, :width]))
    return torch.einsum("dc,chw->dhw", levels.new_tensor(TO_RGB), ycc).round().clamp(0, 255).div(255)


def quantize(planes: Tensor, table: tuple[tuple[int, ...], ...], quality: int) -> Tensor:
    """Planes (c, h, w) around 0, sides multiples of 8, through the cosine transform with coefficients rounded to the table."""
    count, height, width = planes.shape
    basis = dct_matrix(planes)
    blocks = planes.view(count, height // 8, 8, width // 8, 8).transpose(2, 3)
    steps = scale_table(planes.new_tensor(table), quality)
    coefficients = (basis @ blocks @ basis.T / steps).round() * steps
    return (basis.T @ coefficients @ basis).transpose(2, 3).reshape(count, height, width).round()


def scale_table(table: Tensor, quality: int) -> Tensor:
    """libjpeg's table for a quality."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return ((table * percent + 50) // 100).clamp(1, 255)
