"""The FIM for inference, on one face: the kernel that both its branches fold into, with few and small operations.

`FIM.fold_kernel` is the plain reading. Here the sums under the nine shifts are two matrix products, and what leads from them to
the channel weights is one matrix for both branches.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .fast_layers import converted
from .integration import FIM, ChannelAttention

TAPS = 9  # of a 3x3 kernel, row by row
CENTRE = 4


class FastFIM:
    """Folds a FIM of both branches, "both", over maps of one size.

    `side`: of the map, px; `dtype`: of the map and the kernel. The channel weights are computed in float32.
    """

    def __init__(self, module: FIM, side: int, dtype: torch.dtype) -> None:
        convolutions, attentions = both_branches(module)
        self.side, self.dtype, self.channels = side, dtype, len(convolutions[0].weight)
        self.cover = shift_cover(side).to(dtype)
        weights, self.biases = zip(*(converted(layer, torch.float32) for layer in convolutions), strict=True)
        self.kernels = [weight.reshape(-1, TAPS) for weight in weights]  # (c, 9)
        self.identity = torch.zeros(self.channels, TAPS)
        self.identity[:, CENTRE] = 1
        self.squeeze, self.squeeze_bias = self.merge_squeezes(*(attention.squeeze for attention in attentions))
        weights, biases = zip(*(converted(attention.excite, torch.float32) for attention in attentions), strict=True)
        self.excite, self.excite_bias = torch.block_diag(*weights), torch.cat(biases)

    def merge_squeezes(self, first: nn.Linear, second: nn.Linear) -> tuple[Tensor, Tensor]:
        """Merges what leads from the shifted means, (9 c,), to the hidden units of both channel attentions: (2 h, 9 c), (2 h,).

        The first attention sees the mean of a convolution, which is linear in them, the second one the mean of the map.
        """
        (weight, bias), (centre_weight, centre_bias) = (converted(layer, torch.float32) for layer in (first, second))
        seen = weight[:, None] * self.kernels[0].T  # (h, 9, c)
        centre = torch.zeros_like(seen)
        centre[:, CENTRE] = centre_weight
        return torch.cat([seen, centre]).flatten(1), torch.cat([bias + weight @ self.biases[0], centre_bias])

    def fold(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Folds for a map (h, w, c), contiguous -> kernel (c, 1, 3, 3) and bias (c,), as `F.conv2d` takes them by groups."""
        rows = torch.mm(self.cover, x.view(self.side, -1)).view(3, self.side, self.channels)
        means = torch.matmul(self.cover, rows).float()  # (3, 3, c)
        hidden = torch.addmv(self.squeeze_bias, self.squeeze, means.view(-1)).relu_()
        first, second = torch.addmv(self.excite_bias, self.excite, hidden).sigmoid_().view(2, -1)
        kernel = torch.addcmul(self.identity, self.kernels[0], first[:, None]).addcmul_(self.kernels[1], second[:, None])
        bias = torch.addcmul(self.biases[1], self.biases[0], first)
        return kernel.to(self.dtype).view(-1, 1, 3, 3), bias.to(self.dtype)


def both_branches(module: FIM) -> tuple[tuple[nn.Conv2d, nn.Conv2d], tuple[ChannelAttention, ChannelAttention]]:
    """Returns the convolutions and the channel attentions of both branches, which other kinds than "both" lack."""
    assert module.first is not None
    assert module.second is not None
    assert module.first_attention is not None
    assert module.second_attention is not None
    return (module.first, module.second), (module.first_attention, module.second_attention)


def shift_cover(side: int) -> Tensor:
    """Returns which rows of a map each of a kernel's three rows sees, as weights of a mean: (3, side)."""
    cover = torch.full((3, side), 1 / side)
    cover[0, -1] = cover[2, 0] = 0
    return cover
