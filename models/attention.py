"""Region Selection Attention: coarse attention, key regions and the Feature Integration Module (Eq. 7-12, Fig. 2-3).

Feature maps are (n, h, w, c) here: see `maps`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import LAAConfig, Stage
from .maps import conv, grow, pixel_index, shrink, take


def shifted_sums(x: Tensor) -> Tensor:
    """Sums of a zero-padded map under the nine shifts of a 3x3 kernel. `x`: (n, h, w, c) -> (n, 3, 3, c) float32."""
    columns = x.sum(2, dtype=torch.float32)  # (n, h, c)
    columns = torch.stack((columns - x[:, :, -1], columns, columns - x[:, :, 0]), 1)  # (n, 3, h, c)
    total = columns.sum(2)
    return torch.stack((total - columns[:, :, -1], total, total - columns[:, :, 0]), 1)


class ChannelAttention(nn.Module):
    """The per-channel weights of Fig. 3, from a map's mean (n, c) -> (n, c) in (0, 1).

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
    """Feature Integration Module (Fig. 3): x + CA(DW(x)) + DW(CA(x)).

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

    def kernel(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Both branches and the residual folded into one 3x3 kernel (n, 3, 3, c) and bias (n, c) per image, exactly.

        Both branches are linear once their channel weights are known, and the mean of a depth-wise convolution follows
        from `shifted_sums`, so that the convolutions themselves need to run only where they are looked at.
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
        """Eq. 8 on a whole map, (n, h, w, c) -> the same."""
        kernel, bias = self.kernel(x)
        n, h, w, c = x.shape
        weight = kernel.permute(0, 3, 1, 2).reshape(n * c, 1, 3, 3).to(x.dtype)
        maps = x.permute(0, 3, 1, 2).reshape(1, n * c, h, w)
        out = F.conv2d(maps, weight, bias.flatten().to(x.dtype), padding=1, groups=n * c)
        return out.view(n, c, h, w).permute(0, 2, 3, 1)

    def regions(self, x: Tensor, index: Tensor, grid: int, stride: int) -> Tensor:
        """The same at the key regions alone: `index` (n, k) -> (n, k * stride * stride, c)."""
        kernel, bias = self.kernel(x)
        padded = F.pad(x, (0, 0, 1, 1, 1, 1))
        patches = take(padded, pixel_index(index, grid, stride, rim=1))  # (n, k, s+2, s+2, c)
        out = bias[:, None, None, None].to(x.dtype)
        for row in range(3):
            for column in range(3):
                window = patches[:, :, row : row + stride, column : column + stride]
                out = out + window * kernel[:, row, column, None, None, None].to(x.dtype)
        return out.flatten(1, 3)


class Positions(nn.Module):
    """Table 3's "learnable position parameters" in the FIM's place.

    Assumption: one parameter per channel and pixel of the full map; the coarse map takes their means.
    """

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(1, size, size, channels))

    def forward(self, x: Tensor) -> Tensor:
        table = F.adaptive_avg_pool2d(self.table.permute(0, 3, 1, 2), (x.shape[1], x.shape[2]))
        return x + table.permute(0, 2, 3, 1).to(x.dtype)

    def regions(self, x: Tensor, index: Tensor, grid: int, stride: int) -> Tensor:
        """See FIM.regions."""
        return take(self(x), pixel_index(index, grid, stride, rim=0)).flatten(1, 3)


def integration(config: LAAConfig, stage: Stage) -> FIM | Positions:
    """The module of Table 3 that the configuration asks for."""
    if config.integration == "position":
        return Positions(stage.channels, stage.size)
    return FIM(stage.channels, config.integration, config.reduction)


class SelfAttention(nn.Module):
    """Multi-head self-attention (Eq. 9) on (n, tokens, c)."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)  # W_q, W_k, W_v
        self.out = nn.Linear(channels, channels)  # W_o

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n, tokens, c) -> queries, keys and values, each (n, heads, tokens, c / heads)."""
        n, tokens, c = x.shape
        q, k, v = self.qkv(x).view(n, tokens, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        return q, k, v

    def merge(self, values: Tensor) -> Tensor:
        """The heads' outputs side by side, through W_o."""
        return self.out(values.transpose(1, 2).flatten(2))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.split(x)
        if x.device.type == "cpu" and torch.is_grad_enabled():
            return self.merge(attention_map(q, k) @ v)  # forward and back in less than half of the fused kernel's time
        return self.merge(F.scaled_dot_product_attention(q, k, v))

    def with_received(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and Sum(AM) of Eq. 10: the attention that each token receives, (n, tokens).

        Assumption: it is summed over the heads too, since there is one choice of regions for all of them.
        """
        q, k, v = self.split(x)
        attention = attention_map(q, k)
        return self.merge(attention @ v), attention.detach().sum((1, 2), dtype=torch.float32)


def attention_map(q: Tensor, k: Tensor) -> Tensor:
    """How much each token attends to each other one: (n, heads, tokens, d) twice -> (n, heads, tokens, tokens)."""
    return torch.softmax((q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1), dim=-1)  # scaled where there is less to scale


class RSA(nn.Module):
    """Region Selection Attention (Fig. 2) on a map (n, h, w, c). With lambda = 1 or "csa" (Table 2) it is coarse only."""

    def __init__(self, config: LAAConfig, stage: Stage) -> None:
        super().__init__()
        c, self.stride = stage.channels, stage.stride
        self.grid = stage.size // stage.stride
        self.keys = stage.size // stage.stride if config.attention == "rsa" and stage.stride > 1 else 0  # k below Eq. 10
        self.integration = integration(config, stage)
        self.down = nn.Conv2d(c, c, stage.stride, stage.stride)
        self.coarse = SelfAttention(c, stage.heads)
        # Assumption: the fine attention has its own W: Eq. 11 names a second MHSA, and its tokens are pixels, not regions.
        self.fine = SelfAttention(c, stage.heads) if self.keys else None
        # Assumption: Eq. 12's 4x4 transposed convolution takes stride lambda, which alone brings lambda = 4 back to full size;
        # at lambda = 1 there is nothing to enlarge.
        self.up = nn.ConvTranspose2d(c, c, stage.stride, stage.stride) if stage.stride > 1 else None
        self.depthwise = nn.Conv2d(c, c, 3, padding=1, groups=c)

    def forward(self, x: Tensor) -> Tensor:
        coarse = self.integration(shrink(self.down, x)).flatten(1, 2)  # Eq. 7-8
        if self.fine is None:
            attended, refined = self.coarse(coarse), x  # Assumption: without key regions Output_f of Eq. 12 is F_input
        else:
            attended, received = self.coarse.with_received(coarse)  # Eq. 9
            refined = self.refine(x, received.topk(self.keys).indices, self.fine)  # Eq. 10
        attended = attended.unflatten(1, (self.grid, self.grid))
        if self.up is not None:
            attended = grow(self.up, attended)
        return conv(self.depthwise, refined + attended)  # Eq. 12

    def refine(self, x: Tensor, index: Tensor, attention: SelfAttention) -> Tensor:
        """Eq. 11: adds the joint attention over all pixels of the key regions back at their places.

        Assumption: back to F_input, as the equation has it, where the text says F_input after the FIM.
        """
        details = attention(self.integration.regions(x, index, self.grid, self.stride))
        places = pixel_index(index, self.grid, self.stride, rim=0).flatten(1).unsqueeze(-1).expand_as(details)
        return x.flatten(1, 2).scatter_add(1, places, details.to(x.dtype)).view_as(x)
