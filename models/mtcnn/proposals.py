"""MTCNN's PNet for inference over whole pictures: the same arithmetic in tiles that stay in a core's cache, on all cores.

Normalization is folded into the first convolution, boxes are computed only where a cell may be a face, and every tile is
computed by one thread: results do not depend on their number.
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
MEAN, SPAN = 127.5, 128.0  # of pixels: PNet takes (pixel - MEAN) / SPAN


class Proposals(NamedTuple):
    """Cells that may be faces: their `corners` (n, 2) x and y in pixels, box `offsets` (n, 4) in cells, `scores` (n,)."""

    corners: Tensor
    offsets: Tensor
    scores: Tensor


class FastPNet:
    """Runs a copy of a PNet on the device it is on.

    `threshold`: the probability above which a cell is proposed, 0..1; `tile_cells`: of a tile, each way.
    """

    def __init__(self, network: PNet, threshold: float, tile_cells: int = TILE_CELLS) -> None:
        self.network = network = copy.deepcopy(network)
        self.tile_cells = tile_cells
        self.logit = math.log(threshold / (1 - threshold))
        fold_normalization(network.conv1)
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
        logits = torch.mv(features.flatten(0, 1), self.face).add_(self.face_bias)
        cells = (logits > self.logit).nonzero()[:, 0]
        y, x = cells // len(columns), cells % len(columns)
        corners = torch.stack([x + columns.start, y + rows.start], 1) * STRIDE_PX
        offsets = F.linear(features.flatten(0, 1)[cells], self.box, self.network.conv4_2.bias)
        return Proposals(corners.float(), offsets, logits[cells].sigmoid())

    def features(self, pixels: Tensor) -> Tensor:
        """Computes what the last convolutions take: (h, w, 3) uint8 RGB -> (cells down, cells across, 32)."""
        network = self.network
        x = network.prelu1(network.conv1(pixels.permute(2, 0, 1)[None].float()))
        if x.shape[2] % 2 or x.shape[3] % 2:  # at the picture's edges, where pooling rounds up
            x = F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2), value=-math.inf)
        x = torch.maximum(x[..., 0::2], x[..., 1::2])  # max pooling without its indices
        x = torch.maximum(x[..., 0::2, :], x[..., 1::2, :])
        x = network.prelu3(network.conv3(network.prelu2(network.conv2(x))))
        return x[0].permute(1, 2, 0).contiguous()


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
