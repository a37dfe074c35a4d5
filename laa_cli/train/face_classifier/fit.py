"""Fits the face classifier to crops of candidates."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.face_classifier.config import FaceClassifierConfig
from models.face_classifier.network import FaceClassifier
from models.mtcnn.proposals import MEAN, SPAN

from ...utils.tensor_ops import gather_pixels, rgb_to_grayscale

CROP_JITTER_PX = 2  # how far a crop is moved each way
EPOCHS = 12
BATCH = 128
LEARNING_RATE, WARM_UP_STEPS, WEIGHT_DECAY = 2e-3, 200, 0.02
DROPOUT, SMOOTHING = 0.25, 0.02
GREY_SHARE = 0.2  # of the crops
CONTRAST, BRIGHTNESS, TINT = (0.7, 1.3), 0.12, 0.05  # range of factors; sigmas of 1

Report = Callable[[int, float], None]  # an epoch and its mean loss


@contextmanager
def seeded(random: torch.Generator) -> Iterator[None]:
    """Has dropout, which draws from torch's own generator, follow from `random`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (), generator=random)))
        yield


def fit_classifier(
    faces: Tensor, others: Tensor, config: FaceClassifierConfig, random: torch.Generator, report: Report, epochs: int = EPOCHS
) -> FaceClassifier:
    """Trains a classifier on crops of faces and of others, (n, 3, s, s) uint8 RGB, s larger than its own by twice the jitter.

    AdamW with a cosine, products in bfloat16; the same `random` gives the same network on the same machine.
    """
    network = NormalizedClassifier(initialized(config, random)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    crops = torch.cat([faces, others])
    labels = torch.cat([torch.ones(len(faces)), torch.zeros(len(others))]).long()
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    batches = max(1, len(crops) // BATCH)  # of an epoch, which leaves a rest out
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / WARM_UP_STEPS) * (1 + math.cos(math.pi * step / (epochs * batches))) / 2
    )
    with seeded(random):
        for epoch in range(epochs):
            losses = []
            for batch in torch.randperm(len(crops), generator=random).split(BATCH)[:batches]:
                inputs = augment(crops[batch], config.image_size, random)
                losses.append(train_step(network, optimizer, inputs, labels[batch]))
                schedule.step()
            report(epoch, sum(losses) / len(losses))
    return network.folded()


def train_step(network: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, labels: Tensor) -> float:
    """Takes a step on inputs (n, 3, s, s) with labels (n,), 1 for faces, and returns the loss."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(inputs.contiguous(memory_format=torch.channels_last))
    loss = F.cross_entropy(logits.float(), labels, label_smoothing=SMOOTHING)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


class NormalizedClassifier(nn.Module):
    """A classifier with batch normalization after each convolution, as it is trained; `folded` makes it one without."""

    def __init__(self, network: FaceClassifier) -> None:
        super().__init__()
        self.network = network
        self.norms = nn.ModuleList(nn.BatchNorm2d(cast(nn.Conv2d, layer).out_channels) for layer in network.convolutions)

    def forward(self, x: Tensor) -> Tensor:
        for convolution, norm in zip(self.network.convolutions, self.norms, strict=True):
            x = F.relu(norm(convolution(x)))
        return self.network.classify(x, DROPOUT)

    def folded(self) -> FaceClassifier:
        """Folds the normalization, by its moving averages, into copies of the convolutions: the function is the same."""
        network = copy.deepcopy(self.eval().network)
        for index, (convolution, norm) in enumerate(zip(network.convolutions, self.norms, strict=True)):
            network.convolutions[index] = fuse_conv_bn_eval(convolution, norm)  # type: ignore[type-var,arg-type]
        return network


def initialized(config: FaceClassifierConfig, random: torch.Generator) -> FaceClassifier:
    """Builds a network whose convolutions keep the variance of what goes through them (He et al., ICCV 2015, Eq. 10)."""
    network = FaceClassifier(config)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.zeros_(parameter)
        else:
            fan = parameter[0].numel()
            parameter.data.normal_(0, math.sqrt((1 if name.startswith("head") else 2) / fan), generator=random)
    return network


def augment(crops: Tensor, side: int, random: torch.Generator) -> Tensor:
    """Moves, mirrors, greys, and changes contrast, brightness and tint of crops (n, 3, s, s) uint8.

    Returns (n, 3, side, side) as the network takes them.
    """
    count = len(crops)
    shifts = torch.randint(crops.shape[-1] - side + 1, (count, 2), generator=random)
    rows, columns = (shifts[:, axis, None] + torch.arange(side) for axis in (0, 1))
    mirrored = torch.rand(count, generator=random) < 0.5
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    images = (gather_pixels(crops, rows, columns).float() - MEAN) / SPAN
    grey = torch.rand(count, 1, 1, 1, generator=random) < GREY_SHARE
    images = torch.where(grey, rgb_to_grayscale(images), images)
    contrast = CONTRAST[0] + (CONTRAST[1] - CONTRAST[0]) * torch.rand(count, 1, 1, 1, generator=random)
    brightness = BRIGHTNESS * torch.randn(count, 1, 1, 1, generator=random)
    return images * contrast + brightness + TINT * torch.randn(count, 3, 1, 1, generator=random)
