"""Layers on feature maps in NHWC layout, (n, h, w, c), channels-last in memory, so that a map is also its token sequence."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv_nhwc(layer: nn.Module, x: Tensor) -> Tensor:
    """Applies a convolution, which expects NCHW, to an NHWC map: (n, h, w, c) -> (n, h', w', c')."""
    return layer(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def run_nhwc(blocks: nn.Module, x: Tensor) -> Tensor:
    """Applies blocks that work on NHWC maps to an NCHW map: (n, c, h, w) -> (n, c, h, w)."""
    return blocks(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def patchify_conv(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """Applies a strided convolution without overlap (a patch embedding: kernel size = stride = s) as one matrix product.

    `x`: (n, h, w, c) -> (n, h/s, w/s, c').
    """
    side = layer.stride[0]
    patches = x.unflatten(2, (-1, side)).unflatten(1, (-1, side)).transpose(2, 3).flatten(3)
    return F.linear(patches, layer.weight.permute(0, 2, 3, 1).flatten(1), layer.bias)


def unpatchify_conv(layer: nn.ConvTranspose2d, x: Tensor) -> Tensor:
    """Applies a transposed convolution without overlap (kernel size = stride = s) as one matrix product.

    `x`: (n, h, w, c) -> (n, s h, s w, c').
    """
    side = layer.stride[0]
    bias = layer.bias.repeat(side * side)  # type: ignore[union-attr]
    patches = F.linear(x, layer.weight.permute(2, 3, 1, 0).flatten(0, 2), bias)
    return patches.unflatten(3, (side, side, -1)).transpose(2, 3).flatten(3, 4).flatten(1, 2)


def pixel_index(regions: Tensor, grid: int, stride: int, rim: int) -> Tensor:
    """Computes the flat indices of the pixels of square regions, for `gather_pixels` and `scatter_add`.

    `regions`: (n, k) int64 indices into a row-major grid x grid of regions of stride x stride px; `rim`: px to add around each
    region, the map being padded by as many -> (n, k, stride + 2 rim, stride + 2 rim) int64 indices into the flattened map.
    """
    side = torch.arange(stride + 2 * rim, device=regions.device)
    rows = (regions // grid * stride)[..., None] + side
    columns = (regions % grid * stride)[..., None] + side
    return rows[..., :, None] * (grid * stride + 2 * rim) + columns[..., None, :]


def gather_pixels(x: Tensor, index: Tensor) -> Tensor:
    """Gathers pixels by flat index (SelectByIndex of Eq. 11). `x`: (n, h, w, c), `index`: (n, ...) int64 -> (n, ..., c)."""
    flat = index.flatten(1).unsqueeze(-1).expand(-1, -1, x.shape[-1])
    return x.flatten(1, 2).gather(1, flat).view(*index.shape, x.shape[-1])
