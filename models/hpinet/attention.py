"""Attention among the pixels of a patch, or from them to those of its partner; and the layer around it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import HPINetConfig


class PixelAttention(nn.Module):
    """Attention with one head, without position code and output projection: softmax(Q K^T / sqrt(q)) V."""

    def __init__(self, config: HPINetConfig) -> None:
        super().__init__()
        self.to_q = nn.Linear(config.dim, config.qk_dim, bias=False)
        self.to_k = nn.Linear(config.dim, config.qk_dim, bias=False)
        self.to_v = nn.Linear(config.dim, config.dim, bias=False)

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        """`x`: (m, p^2, d), `source` of keys and values: (m, p^2, d) -> (m, p^2, d)."""
        return attend(self.to_q(x), self.to_k(source), self.to_v(source))


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Computes softmax(Q K^T / sqrt(q)) V by torch's fused kernel: (m, t, q) twice and (m, t, d) -> (m, t, d).

    The kernel takes heads of one width, so queries and keys are padded by zeros, which change no product.
    """
    missing = v.shape[2] - q.shape[2]
    queries, keys = (F.pad(one, (0, missing)).unsqueeze(1) for one in (q, k))
    return F.scaled_dot_product_attention(queries, keys, v.unsqueeze(1), scale=q.shape[2] ** -0.5).squeeze(1)


def attend_plainly(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Computes what `attend` does by its formula, with the whole matrix of scores in memory."""
    return torch.softmax(q @ k.mT * q.shape[2] ** -0.5, 2) @ v


class Layer(nn.Module):
    """A layer of a block: attention and MLP, both with a residual connection.

    Assumption: the partner's pixels come without layer norm, as in the authors' code; the abstract does not tell.
    """

    def __init__(self, config: HPINetConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.dim)
        self.attention = PixelAttention(config)
        self.mlp_norm = nn.LayerNorm(config.dim)
        self.mlp = nn.Sequential(nn.Linear(config.dim, config.mlp_dim), nn.GELU(), nn.Linear(config.mlp_dim, config.dim))

    def forward(self, x: Tensor, partner: Tensor | None = None) -> Tensor:
        """`x`: (m, p^2, d) -> the same. With `partner`, of that shape, global pixel access; without, self-attention."""
        normalized = self.attention_norm(x)
        x = x + self.attention(normalized, normalized if partner is None else partner)
        return x + self.mlp(self.mlp_norm(x))
