"""A wider network that computes what a narrower one does, so that training can begin narrow, where a face costs half.

Net2Net's idea (Chen, Goodfellow, Shlens 2016): every channel is copied, and what reads the copies shares its weight among them.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .attention import SelfAttention
from .network import LAATransformer


@torch.no_grad()
def widen(network: LAATransformer, base_channels: int, seed: int = 0) -> LAATransformer:
    """The same function with more channels, in training mode. Raises ValueError where the widths do not fit.

    The copies of a channel are equal at first and are read with unequal weights, so that training sets them apart.
    """
    known = network.config.base_channels
    if base_channels % known:
        raise ValueError(f"a network of {known} base channels can be widened to a multiple of that, not to {base_channels}")
    wide = LAATransformer(replace(network.config, base_channels=base_channels))
    random = torch.Generator().manual_seed(seed)
    for name, module in wide.named_modules():
        narrow = network.get_submodule(name)
        for key, parameter in module.named_parameters(recurse=False):
            values = narrow.get_parameter(key)
            parameter.copy_(spread(values, parameter.shape, input_axis(module, values), random))
    for module in wide.modules():
        if isinstance(module, SelfAttention):
            keep_sharpness(module, base_channels // known)
    return wide


def input_axis(module: nn.Module, values: Tensor) -> int | None:
    """Which axis of a parameter runs over the channels that it reads, if one does."""
    if values.ndim < 2 or not isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        return None
    return 0 if isinstance(module, nn.ConvTranspose2d) else 1


def spread(values: Tensor, shape: torch.Size, reads: int | None, random: torch.Generator) -> Tensor:
    """A parameter for more channels: each copied to its neighbours, which keeps heads, halves and concatenations in order."""
    copied = values
    for axis, size in enumerate(shape):
        copied = copied.index_select(axis, origins(values.shape[axis], size))
    if reads is None:
        return copied
    share = F.one_hot(origins(values.shape[reads], shape[reads]), values.shape[reads]).to(values.dtype)
    copies = share.sum(0)
    level = copied.movedim(reads, -1) / (share @ copies)
    uneven = torch.randn(level.shape, generator=random).to(level) * level.std(correction=0)
    uneven -= uneven @ share / copies @ share.mT  # what the copies of a channel get in all stays as it is
    return (level + uneven).movedim(-1, reads)


def origins(known: int, size: int) -> Tensor:
    """Which channel each of `size` channels is a copy of."""
    return torch.arange(size) * known // size


def keep_sharpness(attention: SelfAttention, copies: int) -> None:
    """Copied queries and keys multiply their product; Eq. 9 divides by the root of the copies alone."""
    channels = attention.out.in_features
    attention.qkv.weight[:channels] /= copies**0.5
    attention.qkv.bias[:channels] /= copies**0.5
