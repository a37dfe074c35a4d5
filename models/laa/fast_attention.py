"""Region Selection Attention for inference, on one face, without gradients: the arithmetic of `attention.RSA` in fewer passes.

Maps are (h, w, c), contiguous.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .attention import RSA, SelfAttention
from .fast_integration import FastFIM
from .fast_layers import converted, convolve
from .maps import pixel_index

QUERIES = 256  # whose attention weights are computed at once: they stay in a core's cache


class FastSelfAttention:
    """Runs a SelfAttention on tokens (tokens, c) of one face."""

    def __init__(self, module: SelfAttention, dtype: torch.dtype) -> None:
        self.heads = module.heads
        self.qkv = converted(module.qkv, dtype)
        self.out = converted(module.out, dtype)

    def split_heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Projects tokens to queries, keys and values, each (heads, tokens, c / heads)."""
        q, k, v = F.linear(x, *self.qkv).view(len(x), 3, self.heads, -1).permute(1, 2, 0, 3)
        return q, k, v

    def __call__(self, x: Tensor) -> Tensor:
        """Computes `SelfAttention.forward`."""
        q, k, v = self.split_heads(x)
        values = F.scaled_dot_product_attention(q[None], k[None], v[None])[0]
        return F.linear(values.transpose(0, 1).flatten(1), *self.out)

    def with_received(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Computes `SelfAttention.forward_with_received`: what it returns, and the attention received, (tokens,) float32."""
        q, k, v = self.split_heads(x)
        q, k, v = q * q.shape[2] ** -0.5, k.contiguous().mT, v.contiguous()
        values = x.new_empty(len(x), self.heads, v.shape[2])
        received = x.new_zeros(len(x), dtype=torch.float32)
        for first in range(0, len(x), QUERIES):
            attention = torch.softmax(torch.bmm(q[:, first : first + QUERIES], k), -1)
            values[first : first + QUERIES] = torch.bmm(attention, v).transpose(0, 1)
            received += attention.sum((0, 1))
        return F.linear(values.flatten(1), *self.out), received


class FastRSA:
    """Runs an RSA: (h, w, c) -> (h, w, c), and overwrites its input."""

    def __init__(self, module: RSA, side: int, dtype: torch.dtype) -> None:
        self.side, self.grid, self.stride, self.keys = side, module.grid, module.stride, module.keys
        weight, bias = converted(module.down, dtype)
        self.down = weight.permute(0, 2, 3, 1).flatten(1), bias
        self.coarse_fim = FastFIM(module.integration, self.grid, dtype)  # type: ignore[arg-type]
        self.coarse = FastSelfAttention(module.coarse, dtype)
        self.depthwise = converted(module.depthwise, dtype)
        if module.fine is not None and module.up is not None:
            self.fim = FastFIM(module.integration, side, dtype)  # type: ignore[arg-type]
            self.fine = FastSelfAttention(module.fine, dtype)
            weight, bias = converted(module.up, dtype)
            self.up = weight.permute(2, 3, 1, 0).flatten(0, 2).contiguous(), bias.repeat(self.stride**2)
            self.places, self.rimmed, self.inside = self.region_places(dtype)

    def region_places(self, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        """Lists the flat indices of each region's pixels, (regions, stride^2), and those with a rim of one pixel around it.

        The third is 1 for those of the latter that lie in the map, (regions, (stride + 2)^2, 1), and 0 for the others, whose
        index is some pixel's.
        """
        regions = torch.arange(self.grid**2)[None]
        places = pixel_index(regions, self.grid, self.stride, rim=0)[0].flatten(1)
        padded = F.pad(torch.arange(1, self.side**2 + 1).view(self.side, self.side), (1, 1, 1, 1)).flatten()
        rimmed = padded[pixel_index(regions, self.grid, self.stride, rim=1)[0].flatten(1)]
        return places, (rimmed - 1).clamp(min=0), (rimmed > 0)[..., None].to(dtype)

    def __call__(self, x: Tensor) -> Tensor:
        coarse = F.linear(self.patches(x), *self.down).view(self.grid, self.grid, -1)
        kernel, bias = self.coarse_fim.fold(coarse)
        coarse = convolve(coarse, kernel, bias, groups=x.shape[2]).reshape(self.grid**2, -1)
        if self.keys:
            self.refine(x, *self.coarse.with_received(coarse))
        else:
            x.view(len(coarse), -1).add_(self.coarse(coarse))
        return convolve(x, *self.depthwise, groups=x.shape[2])

    def patches(self, x: Tensor) -> Tensor:
        """Lines up the pixels of each region: (h, w, c) -> (regions, stride^2 c)."""
        if self.stride == 1:
            return x.view(self.side**2, -1)
        squares = x.view(self.grid, self.stride, self.grid, self.stride, -1).transpose(1, 2)
        return squares.reshape(self.grid**2, -1)

    def refine(self, x: Tensor, attended: Tensor, received: Tensor) -> None:
        """Adds the fine attention of the key regions and the enlarged coarse one to the map, in place (Eq. 10-12)."""
        keys, channels, size = received.topk(self.keys).indices, x.shape[2], self.stride + 2
        pixels = x.view(-1, channels)
        kernel, bias = self.fim.fold(x)
        regions = pixels.index_select(0, self.rimmed[keys].flatten()).view(self.keys, -1, channels).mul_(self.inside[keys])
        regions = regions.view(self.keys, size, size, channels).permute(0, 3, 1, 2)
        regions = F.conv2d(regions, kernel, bias, groups=channels).permute(0, 2, 3, 1)
        details = self.fine(regions.reshape(-1, channels))
        pixels.index_add_(0, self.places[keys].flatten(), details)
        enlarged = F.linear(attended, *self.up).view(self.grid, self.grid, self.stride, self.stride, channels)
        x.view(self.grid, self.stride, self.grid, self.stride, channels).add_(enlarged.transpose(1, 2))
