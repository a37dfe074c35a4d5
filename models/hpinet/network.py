"""HPINet (Liu et al., AAAI 2023): from coarse to fine, hierarchical pixel integration for lightweight super-resolution.

The parts by the paper's names: cascaded patch division (CPD), the patch size that changes from block to block; global pixel
access (GPA), attention to the most similar other patch; intra-patch self-attention (IPSA); and a convolution for the finest
detail. Where the abstract leaves gaps, they are filled as the authors' published code has it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..laa.maps import conv_nhwc
from ..protocol import resize
from .attention import Layer
from .config import HPINetConfig
from .matching import PatchMatching
from .patches import divide, merge

LEAKY_SLOPE = 0.1


class Block(nn.Module):
    """The layers on the patches of one size: the first attends to partners (GPA), the others within the patch (IPSA)."""

    def __init__(self, config: HPINetConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))

    def forward(self, patches: Tensor, partners: Tensor) -> Tensor:
        """Both (m, p^2, d) -> (m, p^2, d)."""
        patches = self.layers[0](patches, partners)
        for layer in self.layers[1:]:
            patches = layer(patches)
        return patches


class PatchStage(nn.Module):
    """A stage of the trunk, (n, h, w, d) -> (n, h, w, d): divides, matches, runs the block, merges, convolves; residual."""

    def __init__(self, config: HPINetConfig, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.matching = PatchMatching(config.dim)
        self.block = Block(config)
        self.conv = nn.Conv2d(config.dim, config.dim, 3, padding=1)

    def forward(self, x: Tensor, seeds: Tensor | None = None) -> Tensor:
        patches = divide(x, self.patch)
        partners = self.matching(patches, seeds)
        integrated = self.block(patches.flatten(0, 1), partners.flatten(0, 1)).view(patches.shape)
        return x + conv_nhwc(self.conv, merge(integrated, (x.shape[1], x.shape[2]), self.patch))


class Tail(nn.Sequential):
    """Upsampling by pixel shuffle: (n, d, h, w) -> (n, 3, scale h, scale w), added to the plain enlargement."""

    def __init__(self, config: HPINetConfig) -> None:
        dim, scale = config.dim, config.scale
        if config.tail == "one_step":
            super().__init__(nn.Conv2d(dim, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))
            # Assumption: zeros, so that training starts at the plain enlargement, which is already close.
            for parameter in self.parameters():
                nn.init.zeros_(parameter)
            return
        layers: list[nn.Module] = []
        for factor in (2, 2) if scale == 4 else (scale,):
            layers += [nn.Conv2d(dim, dim * factor**2, 3, padding=1), nn.PixelShuffle(factor), nn.LeakyReLU(LEAKY_SLOPE)]
        super().__init__(*layers, nn.Conv2d(dim, 3, 3, padding=1))


class HPINet(nn.Module):
    """Super-resolves pictures: a trunk of stages at low resolution, whose residual is added to the plain enlargement.

    Call with `lr`: (n, 3, h, w) RGB in [0, 1], any h and w -> (n, 3, scale h, scale w), not clamped; (n,) int64 `seeds`
    make the random partners of training those of each picture. In evaluation a picture's output does not depend on the others.
    """

    def __init__(self, config: HPINetConfig) -> None:
        super().__init__()
        self.config = config
        self.head = nn.Conv2d(3, config.dim, 3, padding=1)
        self.stages = nn.ModuleList(PatchStage(config, patch) for patch in config.patch_sizes)
        self.tail = Tail(config)

    def forward(self, lr: Tensor, seeds: Tensor | None = None) -> Tensor:
        if lr.ndim != 4 or lr.shape[1] != 3 or 0 in lr.shape:
            raise ValueError(f"the network takes (n, 3, h, w), not {tuple(lr.shape)}")
        height, width = lr.shape[2:]
        padded = pad_to(lr, self.config.min_side_px)
        x = conv_nhwc(self.head, padded.permute(0, 2, 3, 1))
        for index, stage in enumerate(self.stages):
            x = stage(x, None if seeds is None else seeds * len(self.stages) + index)
        output = self.enlarge(padded) + self.tail(x.permute(0, 3, 1, 2))
        return output[..., : height * self.config.scale, : width * self.config.scale]

    def enlarge(self, lr: Tensor) -> Tensor:
        """Enlarges plainly what the tail's residual is added to: (n, 3, h, w) -> (n, 3, scale h, scale w)."""
        size = (lr.shape[2] * self.config.scale, lr.shape[3] * self.config.scale)
        if self.config.tail == "one_step":
            return resize(lr, size)
        return F.interpolate(lr, size, mode="bilinear", align_corners=False)


def pad_to(lr: Tensor, side_px: int) -> Tensor:
    """Pads pictures (n, c, h, w) below and on the right by reflection, again and again, to at least `side_px` each way."""
    for dim in (2, 3):
        if lr.shape[dim] < side_px:
            lr = lr.index_select(dim, reflected_indices(lr.shape[dim], side_px).to(lr.device))
    return lr


def reflected_indices(length: int, target: int) -> Tensor:
    """Computes the indices that continue a line of `length` px to `target` px by reflection about its ends, (target,) int64."""
    period = max(1, 2 * (length - 1))
    place = torch.arange(target) % period
    return torch.minimum(place, (period - place) % period if length > 1 else place)
