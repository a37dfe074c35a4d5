"""Corruptions of real photos for a batch of crops at once, as `corruptions` makes them of one, whatever the device.

Crops lie on canvases: see `resize_matrices`. The CPU never waits for the device, and there is no loop over the crops.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from models.protocol import to_8_bits

from ..utils.tensor_ops import gather_pixels, send
from .corruptions import MCU_PX, apply_noise, code_planes, enlarge_chroma, ycc_to_rgb
from .resize_matrices import reduction_matrices, resample_squares


@dataclass(frozen=True)
class CorruptionParameters:
    """The sizes of n crops and the strengths of their corruptions, (n,) each; a strength of 0 leaves a corruption out.

    `sides`: px; `kernels`: indices of KERNELS; `quality`: of JPEG, 1 to 100; `top`, `left`: where a crop begins in JPEG's
    grid, 0 to 15, less than its side; all int64. `blur_px`, `mask_px`: sigmas of the blur and of the unsharp mask, whose
    amount is `sharpening`; `noise`: sigma of 1; `shot`: see `apply_noise`. `unit_noise`: (n, 3, c, c) of unit variance, whose
    side is the canvas's, a multiple of 16. `clean`: bool, whether a crop is nothing but the protocol's reduction.
    """

    sides: Tensor
    kernels: Tensor
    blur_px: Tensor
    noise: Tensor
    shot: Tensor
    unit_noise: Tensor
    sharpening: Tensor
    mask_px: Tensor
    quality: Tensor
    top: Tensor
    left: Tensor
    clean: Tensor

    def to(self, device: torch.device) -> CorruptionParameters:
        """Copies the parameters from the CPU to a device."""
        return CorruptionParameters(*(send(getattr(self, field.name), device) for field in fields(self)))


def corrupt_batch(truth: Tensor, chosen: CorruptionParameters) -> Tensor:
    """Reduces and corrupts faces (n, 3, 128, 128) RGB in [0, 1]: (n, 3, c, c) on 8-bit levels, zero outside each crop."""
    crops = to_8_bits(expose(truth, chosen))
    coded = compress_jpeg(crops, chosen.sides, chosen.quality.clamp_min(1), chosen.top, chosen.left)
    crops = torch.where(expand(chosen.quality > 0), coded, crops)
    return crops * inside(chosen.sides, crops.shape[-1])


def expose(truth: Tensor, chosen: CorruptionParameters) -> Tensor:
    """Reduces faces (n, 3, 128, 128), and adds blur, noise and sharpening: (n, 3, c, c), not clamped, noise all over it."""
    canvas = chosen.unit_noise.shape[-1]
    reduction = reduction_matrices(chosen.sides, chosen.kernels, canvas)
    crops = resample_squares(gaussian_matrices(chosen.blur_px, chosen.sides, canvas) @ reduction, truth)
    crops = apply_noise(crops, chosen.unit_noise, expand(chosen.noise), expand(chosen.shot))
    mask = gaussian_matrices(chosen.mask_px, chosen.sides, canvas)
    return crops + expand(chosen.sharpening) * (crops - resample_squares(mask, crops))


def gaussian_matrices(sigma_px: Tensor, sides: Tensor, canvas: int) -> Tensor:
    """Computes Gaussian blurs of lines, reflected at crops' edges: (n,), (n,) -> (n, canvas, canvas); sigma 0 keeps all."""
    lines = gaussian_lines(sigma_px, 2 * canvas)
    place = torch.arange(canvas, device=sides.device)
    rows, columns, last = place[:, None], place, sides[:, None, None] - 1
    mirrored = (2 * last - rows - columns).abs()  # from a row to a column's image behind the last pixel
    behind = lines.gather(1, mirrored.flatten(1)).view_as(mirrored) * (columns < last)
    before = lines[:, rows + columns] * (columns > 0)
    return (lines[:, (rows - columns).abs()] + before + behind) * ((rows <= last) & (columns <= last))


def gaussian_lines(sigma_px: Tensor, length: int) -> Tensor:
    """Computes the weights of Gaussian blurs at distances 0, 1, ...: (n,) -> (n, length); both sides sum to one."""
    distance = torch.arange(length, device=sigma_px.device)
    sigma = sigma_px.clamp_min(0.01)[:, None]  # whose neighbours' weights are 0
    lines = torch.exp(-(distance / sigma).square() / 2) * (distance <= (3 * sigma).ceil())
    return lines / (2 * lines.sum(1, keepdim=True) - 1)  # at distance 0 they are 1


def compress_jpeg(crops: Tensor, sides: Tensor, quality: Tensor, top: Tensor, left: Tensor) -> Tensor:
    """Codes and decodes crops (n, 3, c, c) on 8-bit levels as JPEG, each beginning at (top, left) of its blocks."""
    canvas = crops.shape[-1]
    place = torch.arange(canvas + MCU_PX, device=crops.device)
    rows, columns = (reflected_places(place, start, sides) for start in (top, left))
    y, chroma = code_planes(gather_pixels(crops, rows, columns).mul(255), quality)
    rows, columns = (replicated_places(place[::2] // 2, start + sides) for start in (top, left))
    decoded = ycc_to_rgb(y, enlarge_chroma(gather_pixels(chroma, rows, columns)))
    rows, columns = (start[:, None] + place[:canvas] for start in (top, left))
    return gather_pixels(decoded, rows, columns)


def reflected_places(place: Tensor, start: Tensor, sides: Tensor) -> Tensor:
    """Computes which pixel of a crop is at each place of a line: reflected before `start` (n,), the last one behind."""
    return torch.minimum((place - start[:, None]).abs(), sides[:, None] - 1)


def replicated_places(place: Tensor, lengths: Tensor) -> Tensor:
    """Computes which chroma sample stands at each place of a line of `lengths` (n,) pixels: behind its end the last one."""
    return torch.minimum(place, (lengths[:, None] + 1) // 2 - 1)


def inside(sides: Tensor, canvas: int) -> Tensor:
    """Tells which pixels of a canvas belong to its crop, (n, 1, canvas, canvas) bool."""
    within = torch.arange(canvas, device=sides.device) < sides[:, None]
    return (within[:, :, None] & within[:, None, :])[:, None]


def expand(values: Tensor) -> Tensor:
    """Reshapes (n,) to (n, 1, 1, 1)."""
    return values[:, None, None, None]
