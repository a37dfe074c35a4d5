"""The Feature Integration Module (FIM, Eq. 8, Fig. 3) on NHWC feature maps, and the alternatives of Table 3."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import LAAConfig, Stage
from .maps import gather_pixels, pixel_index


class ShiftedSums(torch.autograd.Function):
    """The autograd function of `shifted_sums`.

    Without it autograd would write the map's gradient several times over: once for each slice of its rim.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.size, ctx.dtype = x.shape, x.dtype
        columns = x.sum(2, dtype=torch.float32)  # (n, h, c)
        columns = torch.stack((columns - x[:, :, -1], columns, columns - x[:, :, 0]), 1)  # (n, 3, h, c)
        total = columns.sum(2)
        return torch.stack((total - columns[:, :, -1], total, total - columns[:, :, 0]), 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        """Computes the map's gradient, (n, h, w, c), from the sums', (n, 3, 3, c).

        A pixel counts in every shift but those that push it over the rim.
        """
        n, h, w, c = ctx.size
        rows = gradient.sum(1, keepdim=True).expand(n, h, 3, c).clone()
        rows[:, -1] -= gradient[:, 0]
        rows[:, 0] -= gradient[:, 2]
        whole = rows.sum(2)
        out = whole.to(ctx.dtype).unsqueeze(2).repeat(1, 1, w, 1)
        out[:, :, -1] = whole - rows[:, :, 0]
        out[:, :, 0] = whole - rows[:, :, 2]
        return out


def shifted_sums(x: Tensor) -> Tensor:
    """Sums a zero-padded map under the nine shifts of a 3x3 kernel. `x`: (n, h, w, c), h, w > 1 -> (n, 3, 3, c) float32."""
    return ShiftedSums.apply(x)  # type: ignore[no-any-return]


class ChannelAttention(nn.Module):
    """Channel attention (CA, Fig. 3): the mean of a map over its pixels, (n, c) -> weights per channel, (n, c) in (0, 1).

    Assumption: squeeze and excitation with ReLU and sigmoid, the usual form, and never fewer than 4 units between.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = max(channels // reduction, 4)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)

    def forward(self, mean: Tensor) -> Tensor:
        return torch.sigmoid(self.excite(F.relu(self.squeeze(mean))))


class FIM(nn.Module):
    """Feature Integration Module (Fig. 3): x + CA(DW(x)) + DW(CA(x)), (n, h, w, c) -> (n, h, w, c).

    DW is a depth-wise 3x3 convolution, CA weights the channels. `kind`: a row of Table 3.

    Assumption: each branch holds one depth-wise convolution and one channel attention, in either order, as the text says.
    Assumption: Eq. 8 writes one H_FIM for both maps, so they share its weights.
    Assumption: Table 3's rows with a single branch or a depth-wise convolution alone keep the residual connection.
    """

    def __init__(self, channels: int, kind: str, reduction: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, groups=channels) if kind != "second" else None
        self.second = nn.Conv2d(channels, channels, 3, padding=1, groups=channels) if kind in ("both", "second") else None
        self.first_attention = ChannelAttention(channels, reduction) if kind in ("both", "first") else None
        self.second_attention = ChannelAttention(channels, reduction) if self.second is not None else None

    def fold_kernel(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Folds both branches and the residual into one depth-wise kernel per image (re-parameterization), exactly.

        `x`: (n, h, w, c) -> kernel (n, 3, 3, c) and bias (n, c), float32.

        Both branches are linear once their channel weights are known, and the mean of a depth-wise convolution follows
        from `shifted_sums`, so that the convolutions themselves need to run only where their output is used.
        """
        n, h, w, c = x.shape
        sums = shifted_sums(x) / (h * w)
        kernel = F.pad(torch.ones(1, 1, c, device=x.device), (0, 0, 1, 1, 1, 1)).unsqueeze(0)
        bias = torch.zeros(1, c, device=x.device)
        if self.first is not None:
            weight = self.first.weight[:, 0].permute(1, 2, 0).float()
            shift = self.first.bias.float()  # type: ignore[union-attr]
            scale = torch.ones(n, c, device=x.device)
            if self.first_attention is not None:
                scale = self.first_attention((sums * weight).sum((1, 2)) + shift).float()
            kernel, bias = kernel + weight * scale[:, None, None], bias + shift * scale
        if self.second is not None and self.second_attention is not None:
            scale = self.second_attention(sums[:, 1, 1]).float()
            kernel = kernel + self.second.weight[:, 0].permute(1, 2, 0).float() * scale[:, None, None]
            bias = bias + self.second.bias.float()  # type: ignore[union-attr]
        return kernel.expand(n, -1, -1, -1), bias.expand(n, -1)

    def forward(self, x: Tensor) -> Tensor:
        """Applies Eq. 8 to a whole map, as one grouped convolution: (n, h, w, c) -> (n, h, w, c)."""
        kernel, bias = self.fold_kernel(x)
        n, h, w, c = x.shape
        weight = kernel.permute(0, 3, 1, 2).reshape(n * c, 1, 3, 3).to(x.dtype)
        maps = x.permute(0, 3, 1, 2).reshape(1, n * c, h, w)
        out = F.conv2d(maps, weight, bias.flatten().to(x.dtype), padding=1, groups=n * c)
        return out.view(n, c, h, w).permute(0, 2, 3, 1)

    def forward_regions(self, x: Tensor, index: Tensor, grid: int, stride: int) -> Tensor:
        """Computes `forward`'s output at the pixels of the key regions alone.

        `x`: (n, h, w, c); `index`: (n, k) int64 regions in a row-major grid x grid -> (n, k * stride * stride, c).
        """
        kernel, bias = self.fold_kernel(x)
        padded = F.pad(x, (0, 0, 1, 1, 1, 1))
        patches = gather_pixels(padded, pixel_index(index, grid, stride, rim=1))  # (n, k, s+2, s+2, c)
        out = bias[:, None, None, None].to(x.dtype)
        for row in range(3):
            for column in range(3):
                window = patches[:, :, row : row + stride, column : column + stride]
                out = out + window * kernel[:, row, column, None, None, None].to(x.dtype)
        return out.flatten(1, 3)


class PositionEmbedding(nn.Module):
    """Learned position embedding, Table 3's "learnable position parameters": (n, h, w, c) -> (n, h, w, c).

    Assumption: one parameter per channel and pixel of the full map; the coarse map takes their means.
    """

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(1, size, size, channels))

    def forward(self, x: Tensor) -> Tensor:
        table = F.adaptive_avg_pool2d(self.table.permute(0, 3, 1, 2), (x.shape[1], x.shape[2]))
        return x + table.permute(0, 2, 3, 1).to(x.dtype)

    def forward_regions(self, x: Tensor, index: Tensor, grid: int, stride: int) -> Tensor:
        """See `FIM.forward_regions`: (n, h, w, c), (n, k) -> (n, k * stride * stride, c)."""
        return gather_pixels(self(x), pixel_index(index, grid, stride, rim=0)).flatten(1, 3)


def build_integration(config: LAAConfig, stage: Stage) -> FIM | PositionEmbedding:
    """Builds the module of Table 3 that the configuration names."""
    if config.integration == "position":
        return PositionEmbedding(stage.channels, stage.size)
    return FIM(stage.channels, config.integration, config.reduction)
