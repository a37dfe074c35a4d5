"""Net2Net widening: a wider network that computes the same function, so that training can begin narrow and cheap.

As in Net2WiderNet (Chen, Goodfellow, Shlens 2016) every channel is copied, and whatever reads the copies shares its weight
among them. At half the width a face costs half the time.
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
    """Widens a network to `base_channels`, function-preserving; the result is float32, on the CPU and in training mode.

    The copies of a channel are equal at first and are read with unequal weights, which breaks the symmetry in training.
    Raises ValueError where `base_channels` is not a multiple of the network's.
    """
    narrow_channels = network.config.base_channels
    if base_channels % narrow_channels:
        raise ValueError(
            f"a network of {narrow_channels} base channels can be widened to a multiple of that, not to {base_channels}"
        )
    wide = LAATransformer(replace(network.config, base_channels=base_channels))
    generator = torch.Generator().manual_seed(seed)
    for name, module in wide.named_modules():
        narrow = network.get_submodule(name)
        for key, parameter in module.named_parameters(recurse=False):
            values = narrow.get_parameter(key)
            parameter.copy_(widen_parameter(values, parameter.shape, input_axis(module, values), generator))
    for module in wide.modules():
        if isinstance(module, SelfAttention):
            rescale_queries(module, base_channels // narrow_channels)
    return wide


def input_axis(module: nn.Module, values: Tensor) -> int | None:
    """Returns the axis of a parameter that runs over input channels, or None (biases, norms, position embeddings)."""
    if values.ndim < 2 or not isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        return None
    return 0 if isinstance(module, nn.ConvTranspose2d) else 1


def widen_parameter(values: Tensor, shape: torch.Size, axis: int | None, generator: torch.Generator) -> Tensor:
    """Copies a parameter's channels until it has `shape`; along `axis`, its input channels, copies share the weight unequally.

    Each channel's copies are neighbours, which keeps heads, halves and concatenations in order.
    """
    wide = values
    for dim, size in enumerate(shape):
        wide = wide.index_select(dim, source_channels(values.shape[dim], size))
    if axis is None:
        return wide
    one_hot = F.one_hot(source_channels(values.shape[axis], shape[axis]), values.shape[axis]).to(values.dtype)
    copies = one_hot.sum(0)  # of each input channel
    equal = wide.movedim(axis, -1) / (one_hot @ copies)
    noise = torch.randn(equal.shape, generator=generator).to(equal) * equal.std(correction=0)
    noise -= noise @ one_hot / copies @ one_hot.mT  # zero in the sum over a channel's copies
    return (equal + noise).movedim(-1, axis)


def source_channels(narrow: int, wide: int) -> Tensor:
    """Maps each of `wide` channels to the one of `narrow` channels that it copies: (wide,) int64."""
    return torch.arange(wide) * narrow // wide


def rescale_queries(attention: SelfAttention, copies: int) -> None:
    """Scales queries down in place: copied queries and keys multiply their product, Eq. 9 divides by the copies' root alone."""
    channels = attention.out.in_features
    attention.qkv.weight[:channels] /= copies**0.5
    attention.qkv.bias[:channels] /= copies**0.5
