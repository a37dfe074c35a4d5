"""MTCNN's three networks (Zhang et al., IEEE Signal Processing Letters 2016, Fig. 2): proposals, refinement, output.

Parts are named as in facenet-pytorch's files of weights. All take (n, 3, h, w) RGB in [-1, 1), faces where values are those of
pixels less 127.5, over 128, and return box offsets first, face probabilities last. Max pooling rounds sizes up, as the original
framework's did.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PNet(nn.Module):
    """Proposal network, fully convolutional: a cell of 12 px, every 2 px, may be a face.

    (n, 3, h, w) -> offsets of its box (n, 4, h', w') and probabilities of "no face" and "face" (n, 2, h', w').
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, 3), nn.PReLU(10)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1, self.conv4_2 = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = F.max_pool2d(self.prelu1(self.conv1(x)), 2, 2, ceil_mode=True)
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return self.conv4_2(x), self.conv4_1(x).softmax(1)


class RNet(nn.Module):
    """Refinement network: (n, 3, 24, 24) -> box offsets (n, 4) and probabilities (n, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 28, 3), nn.PReLU(28)
        self.conv2, self.prelu2 = nn.Conv2d(28, 48, 3), nn.PReLU(48)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, 2), nn.PReLU(64)
        self.dense4, self.prelu4 = nn.Linear(576, 128), nn.PReLU(128)
        self.dense5_1, self.dense5_2 = nn.Linear(128, 2), nn.Linear(128, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = F.max_pool2d(self.prelu1(self.conv1(x)), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.prelu2(self.conv2(x)), 3, 2, ceil_mode=True)
        x = self.prelu4(self.dense4(flatten_columns(self.prelu3(self.conv3(x)))))
        return self.dense5_2(x), self.dense5_1(x).softmax(1)


class ONet(nn.Module):
    """Output network: (n, 3, 48, 48) -> box offsets (n, 4), landmarks (n, 10), all x before all y, probabilities (n, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, 3), nn.PReLU(32)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, 3), nn.PReLU(64)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, 3), nn.PReLU(64)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1, self.dense6_2, self.dense6_3 = nn.Linear(256, 2), nn.Linear(256, 4), nn.Linear(256, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = F.max_pool2d(self.prelu1(self.conv1(x)), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.prelu2(self.conv2(x)), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.prelu3(self.conv3(x)), 2, 2, ceil_mode=True)
        x = self.prelu5(self.dense5(flatten_columns(self.prelu4(self.conv4(x)))))
        return self.dense6_2(x), self.dense6_3(x), self.dense6_1(x).softmax(1)


def flatten_columns(x: Tensor) -> Tensor:
    """Flattens a map column by column, as MATLAB does, where these networks come from: (n, c, h, w) -> (n, w h c)."""
    return x.permute(0, 3, 2, 1).flatten(1)


def load_networks(folder: Path) -> tuple[PNet, RNet, ONet]:
    """Loads pnet.pt, rnet.pt and onet.pt, in evaluation mode, on the CPU. OSError or ValueError where they are not there."""
    networks = (PNet(), RNet(), ONet())
    for network in networks:
        path = folder / f"{type(network).__name__.lower()}.pt"
        try:
            network.load_state_dict(torch.load(path, weights_only=True))
        except (RuntimeError, TypeError, EOFError, pickle.UnpicklingError) as error:
            raise ValueError(f"{path} holds no weights of MTCNN") from error
        network.eval().requires_grad_(False)
    return networks
