"""The face classifier: a small convolutional network on the crop around a candidate, beside MTCNN's own three.

MTCNN's networks see a candidate's box, this one the crop that the protocol would cut around it, 1.25 times as wide, with hair
and chin. It is trained on what those networks take for faces: on their mistakes in photos without any, and on small faces.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from .config import FaceClassifierConfig


class FaceClassifier(nn.Module):
    """(n, 3, s, s) RGB in [-1, 1), values as MTCNN's networks take them -> (n, 2) probabilities of "no face" and "face"."""

    def __init__(self, config: FaceClassifierConfig) -> None:
        super().__init__()
        self.config = config
        width = config.base_channels
        widths = [3, *(factor * width for factor in (1, 2, 2, 4, 4, 6))]
        # the first one without a rim of zeros, so that the normalization of pixels can be folded into it
        self.convolutions = nn.ModuleList(
            nn.Conv2d(*channels, 3, stride=1 + index % 2, padding=min(index, 1))
            for index, channels in enumerate(pairwise(widths))
        )
        self.dense = nn.Linear(6 * width * (config.image_size // 8) ** 2, config.hidden)
        self.head = nn.Linear(config.hidden, 2)

    @property
    def conv1(self) -> nn.Conv2d:
        """The first convolution."""
        return self.convolutions[0]  # type: ignore[return-value]

    def classify(self, x: Tensor, dropout: float = 0.0) -> Tensor:
        """Computes logits (n, 2) of the last feature map (n, 6 c, s/8, s/8). `dropout`: the share that training leaves out."""
        x = F.relu(self.dense(F.dropout(x.flatten(1), dropout)))
        return self.head(F.dropout(x, dropout))

    def forward(self, x: Tensor) -> tuple[Tensor]:
        for convolution in self.convolutions:
            x = F.relu(convolution(x))
        return (self.classify(x).softmax(1),)
