"""Region Selection Attention (RSA): attention between regions, and between the pixels of key regions (Eq. 7-12, Fig. 2).

Feature maps are NHWC here, (n, h, w, c): see `maps`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import LAAConfig, Stage
from .integration import build_integration
from .maps import conv_nhwc, patchify_conv, pixel_index, unpatchify_conv


class SelfAttention(nn.Module):
    """Multi-head self-attention (MHSA, Eq. 9): (n, tokens, c) -> (n, tokens, c)."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)  # W_q, W_k, W_v
        self.out = nn.Linear(channels, channels)  # W_o

    def split_heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Projects tokens (n, tokens, c) to queries, keys and values, each (n, heads, tokens, c / heads)."""
        n, tokens, c = x.shape
        q, k, v = self.qkv(x).view(n, tokens, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        return q, k, v

    def merge_heads(self, values: Tensor) -> Tensor:
        """Concatenates the heads' outputs and applies W_o: (n, heads, tokens, c / heads) -> (n, tokens, c)."""
        return self.out(values.transpose(1, 2).flatten(2))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.split_heads(x)
        if x.device.type == "cpu" and torch.is_grad_enabled():
            return self.merge_heads(attention_map(q, k) @ v)  # forward and back in less than half of the fused kernel's time
        return self.merge_heads(F.scaled_dot_product_attention(q, k, v))

    def forward_with_received(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns `forward`'s output, and Sum(AM) of Eq. 10: the attention that each token receives, (n, tokens) float32.

        Assumption: it is summed over the heads too, since there is one choice of regions for all of them.
        """
        q, k, v = self.split_heads(x)
        attention = attention_map(q, k)
        return self.merge_heads(attention @ v), attention.detach().sum((1, 2), dtype=torch.float32)


def attention_map(q: Tensor, k: Tensor) -> Tensor:
    """Computes the scaled dot-product attention weights AM of Eq. 9.

    Queries and keys, each (n, heads, tokens, d) -> (n, heads, tokens, tokens), rows that add up to 1.
    """
    return torch.softmax((q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1), dim=-1)  # scaled where there is less to scale


class RSA(nn.Module):
    """Region Selection Attention (Fig. 2): (n, h, w, c) -> (n, h, w, c). With lambda = 1 or "csa" (Table 2) it is coarse only.

    Coarse attention: a strided convolution makes one token of each region, as a patch embedding does; self-attention runs on
    these. Fine attention: self-attention on all pixels of the regions that received the most coarse attention.
    """

    def __init__(self, config: LAAConfig, stage: Stage) -> None:
        super().__init__()
        c = stage.channels
        self.stride = stage.stride
        self.grid = stage.size // stage.stride
        self.keys = stage.size // stage.stride if config.attention == "rsa" and stage.stride > 1 else 0  # k below Eq. 10
        self.integration = build_integration(config, stage)
        self.down = nn.Conv2d(c, c, stage.stride, stage.stride)
        self.coarse = SelfAttention(c, stage.heads)
        # Assumption: the fine attention has its own W: Eq. 11 names a second MHSA, and its tokens are pixels, not regions.
        self.fine = SelfAttention(c, stage.heads) if self.keys else None
        # Assumption: Eq. 12's 4x4 transposed convolution takes stride lambda, which alone brings lambda = 4 back to full size;
        # at lambda = 1 there is nothing to enlarge.
        self.up = nn.ConvTranspose2d(c, c, stage.stride, stage.stride) if stage.stride > 1 else None
        self.depthwise = nn.Conv2d(c, c, 3, padding=1, groups=c)

    def forward(self, x: Tensor) -> Tensor:
        coarse = self.integration(patchify_conv(self.down, x)).flatten(1, 2)  # Eq. 7-8
        if self.fine is None:
            attended = self.coarse(coarse)
            refined = x  # Assumption: without key regions Output_f of Eq. 12 is F_input
        else:
            attended, received = self.coarse.forward_with_received(coarse)  # Eq. 9
            refined = self.refine_regions(x, received.topk(self.keys).indices, self.fine)  # Eq. 10
        attended = attended.unflatten(1, (self.grid, self.grid))
        if self.up is not None:
            attended = unpatchify_conv(self.up, attended)
        return conv_nhwc(self.depthwise, refined + attended)  # Eq. 12

    def refine_regions(self, x: Tensor, index: Tensor, attention: SelfAttention) -> Tensor:
        """Runs self-attention on all pixels of the key regions together and adds it back at their places (Eq. 11).

        `x`: (n, h, w, c); `index`: (n, k) int64 key regions in the row-major grid -> (n, h, w, c).
        Assumption: back to F_input, as the equation has it, where the text says F_input after the FIM.
        """
        details = attention(self.integration.forward_regions(x, index, self.grid, self.stride))
        places = pixel_index(index, self.grid, self.stride, rim=0).flatten(1).unsqueeze(-1).expand_as(details)
        return x.flatten(1, 2).scatter_add(1, places, details.to(x.dtype)).view_as(x)
