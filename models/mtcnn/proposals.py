"""MTCNN's PNet for inference over whole pictures: the same arithmetic in tiles that stay in a core's cache, on all cores.

Normalization is folded into the first convolution, boxes are computed only where a cell may be a face, and every tile is
computed by one thread: results do not depend on their number. The first PReLU, on ten channels and four times as many values as
are kept, is the slowest step in torch, so max pooling comes before it, see `PooledConvolution`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..worker_pool import Workers
from .networks import PNet

CELL_PX = 12  # side of PNet's receptive field
STRIDE_PX = 2  # from cell to cell
TILE_CELLS = 180  # each way: 370 px
CHANNELS = 16  # what the first feature map has is a multiple of this
MEAN, SPAN = 127.5, 128.0  # of pixels: PNet takes (pixel - MEAN) / SPAN


class Proposals(NamedTuple):
    """Cells that may be faces: their `corners` (n, 2) x and y in pixels, box `offsets` (n, 4) in cells, `scores` (n,)."""

    corners: Tensor
    offsets: Tensor
    scores: Tensor


class FastPNet:
    """Runs a copy of a PNet on the device it is on.

    `threshold`: the probability above which a cell is proposed, 0..1; `tile_cells`: of a tile, each way; `dtype`: of the
    convolutions.
    """

    def __init__(
        self, network: PNet, threshold: float, tile_cells: int = TILE_CELLS, dtype: torch.dtype = torch.float32
    ) -> None:
        self.network = network = copy.deepcopy(network)
        self.tile_cells = tile_cells
        self.dtype = dtype
        self.logit = math.log(threshold / (1 - threshold))
        fold_normalization(network.conv1)
        self.first = PooledConvolution(network.conv1, network.prelu1, dtype)
        weights = self.first.take_channels(network.conv2.weight), network.conv3.weight
        self.weights = [weight.to(dtype).contiguous(memory_format=torch.channels_last) for weight in weights]
        self.biases = [layer.bias.to(dtype) for layer in (network.conv2, network.conv3)]  # type: ignore[union-attr]
        self.slopes = [layer.weight.to(dtype) for layer in (network.prelu2, network.prelu3)]
        # Softmax of two classes is the sigmoid of their difference.
        self.face = (network.conv4_1.weight[1] - network.conv4_1.weight[0]).flatten()
        self.face_bias = (network.conv4_1.bias[1] - network.conv4_1.bias[0]).item()  # type: ignore[index]
        self.box = network.conv4_2.weight.flatten(1)

    def rows(self, picture: Tensor, workers: Workers) -> Iterator[Proposals]:
        """Yields the proposals of a picture (h, w, 3) uint8 RGB, of one row of tiles after the other; h, w >= CELL_PX."""
        down, across = (list(cell_spans(length, self.tile_cells)) for length in picture.shape[:2])
        tiles = [(rows, columns) for rows in down for columns in across]
        found = workers.map(lambda tile: self.propose(picture, *tile), tiles)
        for _ in down:
            yield Proposals(*map(torch.cat, zip(*(next(found) for _ in across), strict=True)))

    def propose(self, picture: Tensor, rows: range, columns: range) -> Proposals:
        """Finds the proposals among cells of a picture (h, w, 3) uint8 RGB."""
        spans = [slice(STRIDE_PX * cells.start, STRIDE_PX * (cells.stop - 1) + CELL_PX) for cells in (rows, columns)]
        features = self.features(picture[spans[0], spans[1]])
        logits = torch.mv(features.flatten(0, 1), self.face.to(self.dtype)).float().add_(self.face_bias)
        cells = (logits > self.logit).nonzero()[:, 0]
        y, x = cells // len(columns), cells % len(columns)
        corners = torch.stack([x + columns.start, y + rows.start], 1) * STRIDE_PX
        offsets = F.linear(features.flatten(0, 1)[cells].float(), self.box, self.network.conv4_2.bias)
        return Proposals(corners.float(), offsets, logits[cells].sigmoid())

    def features(self, pixels: Tensor) -> Tensor:
        """Computes what the last convolutions take: (h, w, 3) uint8 RGB -> (cells down, cells across, 32), of `dtype`."""
        x = self.first(pixels.permute(2, 0, 1)[None].to(self.dtype))
        for weight, bias, slopes in zip(self.weights, self.biases, self.slopes, strict=True):
            x = prelu(F.conv2d(x, weight, bias), slopes)
        return x[0].permute(1, 2, 0)


class PooledConvolution:
    """A convolution, its PReLU of any slopes, and 2x2 max pooling, which comes first here, in `dtype`.

    PReLU with a slope a from 0 to 1 rises: the greatest value's is the greatest. With a < 0 it is max(x, a x), so the greatest
    a x is needed beside the greatest x. Channels: those of falling slopes, the same times a, the rising ones, and zeros, up to
    a number that vector instructions like. Then one 1x1 convolution places a x beside each x, and PReLU is their maximum. What
    slopes above 1 lack is done at the end.
    """

    def __init__(self, convolution: nn.Conv2d, activation: nn.PReLU, dtype: torch.dtype) -> None:
        slopes = activation.weight
        self.falling, rising = (choice.nonzero()[:, 0].tolist() for choice in (slopes < 0, slopes >= 0))
        self.order, falling = [*self.falling, *self.falling, *rising], len(self.falling)
        width = -(-len(self.order) // CHANNELS) * CHANNELS
        factors = torch.cat([torch.ones(falling), slopes[self.falling], torch.ones(len(rising))]).to(slopes)
        padding = width - len(self.order)
        weight = F.pad(convolution.weight[self.order] * factors.view(-1, 1, 1, 1), (0, 0) * 3 + (0, padding))
        bias = F.pad(convolution.bias[self.order] * factors, (0, padding))  # type: ignore[index]
        beside = torch.zeros(width, width).to(slopes)
        for place in range(falling):
            beside[place, falling + place] = beside[falling + place, place] = 1
        self.steep: list[tuple[int, float]] = []
        for place, channel in enumerate(rising, 2 * falling):
            beside[place, place] = slopes[channel].clamp(max=1)
            if slopes[channel] > 1:
                self.steep.append((place, slopes[channel].item()))
        self.weight = weight.to(dtype).contiguous(memory_format=torch.channels_last)
        self.bias, self.beside = bias.to(dtype), beside.to(dtype)[:, :, None, None]

    def __call__(self, x: Tensor) -> Tensor:
        """Computes (1, c, h, w) -> (1, width, h/2, w/2), sizes rounded up; `take_channels` says which channels those are."""
        x = pool_2x2(F.conv2d(x, self.weight, self.bias))
        x = torch.maximum(x, F.conv2d(x, self.beside))
        for place, slope in self.steep:
            values = x[:, place]
            values.copy_(torch.minimum(values, values * slope))
        return x

    def take_channels(self, weight: Tensor) -> Tensor:
        """Arranges the next convolution's weight (m, n, 3, 3) for the channels that come out: (m, width, 3, 3)."""
        taken = weight[:, self.order].clone()
        taken[:, len(self.falling) : 2 * len(self.falling)] = 0  # the same as those before them
        return F.pad(taken, (0, 0) * 2 + (0, len(self.bias) - len(self.order)))


def prelu(x: Tensor, slopes: Tensor) -> Tensor:
    """Computes PReLU; torch's own is ten times slower in bfloat16 on fewer than 32 channels."""
    if x.dtype == torch.float32 or len(slopes) >= 32:
        return F.prelu(x, slopes)
    other = x * slopes.view(-1, 1, 1)
    return torch.where(x > 0, x, other) if bool((slopes > 1).any()) else torch.maximum(x, other)


def pool_2x2(x: Tensor) -> Tensor:
    """Max-pools (n, c, h, w) by 2x2, sizes rounded up; in two steps, and without the indices that torch computes besides."""
    if x.shape[2] % 2 or x.shape[3] % 2:  # at the picture's edges
        x = F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2), value=-math.inf)
    x = torch.maximum(x[..., 0::2, :], x[..., 1::2, :])
    return torch.maximum(x[..., 0::2], x[..., 1::2])


@torch.no_grad()
def fold_normalization(convolution: nn.Conv2d) -> None:
    """Folds the normalization of pixels into a network's first convolution, which takes 0..255 from then on."""
    assert convolution.bias is not None
    convolution.bias -= convolution.weight.sum((1, 2, 3)) * (MEAN / SPAN)
    convolution.weight /= SPAN


def cell_spans(length: int, most: int) -> Iterator[range]:
    """Divides the cells along a side of `length` px into spans of up to `most`."""
    cells = -(-(length - CELL_PX) // STRIDE_PX) + 1
    for first in range(0, cells, most):
        yield range(first, min(first + most, cells))
