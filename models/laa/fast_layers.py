"""Layers for inference on the map of one face, (h, w, c), contiguous, without gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def converted(layer: nn.Module, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Returns a layer's weight and bias in a type; a convolution's for maps whose channels are neighbours in memory."""
    weight, bias = (parameter.detach() for parameter in layer.parameters())
    return channels_last(weight, dtype) if weight.ndim == 4 else weight.to(dtype), bias.to(dtype)


def channels_last(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """Converts a convolution's weight for maps whose channels are neighbours in memory."""
    return weight.to(dtype).contiguous(memory_format=torch.channels_last)


def convolve(x: Tensor, weight: Tensor, bias: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
    """Convolves a map (h, w, c) with a rim of one zero -> (h', w', c')."""
    return F.conv2d(x.permute(2, 0, 1)[None], weight, bias, stride, 1, 1, groups)[0].permute(1, 2, 0)
