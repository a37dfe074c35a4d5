"""Global pixel access: finds for each patch the most similar other patch of the picture."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SELF_PENALTY = 100.0  # keeps a patch from being its own partner; with one patch only, it is


class PatchMatching(nn.Module):
    """Match_i: similarity of patches by their mean features, and the partner of each.

    In training the partners are drawn by the straight-through Gumbel-softmax (temperature 1), so that gradients reach the
    similarity; in evaluation they are the most similar.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)

    def embed(self, patches: Tensor) -> Tensor:
        """Computes what patches are compared by: (n, patches, p^2, d) -> (n, patches, d)."""
        return self.norm(patches.mean(2))

    def forward(self, patches: Tensor, seeds: Tensor | None = None) -> Tensor:
        """Gives each patch its partner's pixels: (n, patches, p^2, d) -> the same shape, not normalised.

        `seeds`: (n,) int64, of the Gumbel noise of each picture in training; None: torch's own generator.
        """
        scores = similarity(self.embed(patches))
        if not self.training:
            return select_patches(patches, scores.argmax(2))
        soft = (scores + gumbel_noise(scores, seeds)).softmax(2)
        hard = F.one_hot(soft.argmax(2), soft.shape[2]).to(soft)
        chosen = hard + soft - soft.detach()
        return (chosen @ patches.flatten(2).float()).view(patches.shape).to(patches)


def similarity(embedded: Tensor) -> Tensor:
    """Computes R, the scaled dot products of patches less the penalty of the diagonal: (n, N, d) -> (n, N, N), float32."""
    embedded = embedded.float()
    with torch.autocast(embedded.device.type, enabled=False):
        scores = embedded @ embedded.mT / math.sqrt(embedded.shape[2])
    return scores - SELF_PENALTY * torch.eye(scores.shape[1], device=scores.device)


def select_patches(patches: Tensor, partners: Tensor) -> Tensor:
    """Selects the partner of each patch within its own picture: (n, N, p^2, d) by (n, N) -> (n, N, p^2, d)."""
    return torch.stack([picture[chosen] for picture, chosen in zip(patches, partners, strict=True)])


def gumbel_noise(like: Tensor, seeds: Tensor | None) -> Tensor:
    """Draws standard Gumbel noise, (n, N, N), for each picture by its own seed."""
    if seeds is None:
        uniform = torch.rand_like(like)
    else:
        generators = (torch.Generator().manual_seed(int(seed)) for seed in seeds)
        uniform = torch.stack([torch.rand(like.shape[1:], generator=generator) for generator in generators]).to(like.device)
    return -torch.log(-torch.log(uniform.clamp(1e-20, 1 - 1e-7)))
