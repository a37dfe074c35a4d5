"""The LAA-Transformer (Li et al., IJCAI 2023): a U-shaped Transformer that adds detail to an upsampled face (Fig. 1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .attention import RSA
from .config import LAAConfig, Stage
from .maps import run_nhwc
from .wavelet import haar, haar_inverse


class Norm(nn.LayerNorm):
    """Layer normalization over channels, (..., c) -> (..., c), without autocast's copy of bfloat16 maps on a CPU.

    The CPU kernel takes bfloat16 and computes in float32 anyway; autocast would convert the whole map first.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or x.dtype != torch.bfloat16:
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x)


class RSABlock(nn.Module):
    """Transformer block of Eq. 6, (n, h, w, c) -> (n, h, w, c): RSA and MLP, both pre-norm and with a residual connection."""

    def __init__(self, config: LAAConfig, stage: Stage) -> None:
        super().__init__()
        c = stage.channels
        self.attention_norm = Norm(c)
        self.attention = RSA(config, stage)
        self.mlp_norm = Norm(c)
        # Assumption: GELU, as in the Transformers that the paper builds on.
        self.mlp = nn.Sequential(nn.Linear(c, config.mlp_ratio * c), nn.GELU(), nn.Linear(config.mlp_ratio * c, c))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.mlp(self.mlp_norm(x))


def build_rsa_blocks(config: LAAConfig, stage: Stage) -> nn.Sequential:
    """Builds H_RB of Eq. 2, the RSA blocks of a stage."""
    return nn.Sequential(*(RSABlock(config, stage) for _ in range(config.blocks)))


class SkipConnection(nn.Module):
    """Skip connection from an extraction step to the recovery (Eq. 3): Haar bands, convolved to the channels of the fusion.

    Assumption: Table 4's concatenation takes the map as it is, since Eq. 3's convolutions belong to the bands.
    """

    def __init__(self, config: LAAConfig, channels: int, fused: int) -> None:
        super().__init__()
        self.bands = None
        if config.fusion != "concat":
            self.bands = nn.ModuleList(nn.Conv2d(channels, fused, 3, padding=1) for _ in range(3))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Computes (n, c, h, w) -> LL, LH and HL, each (n, fused, h/2, w/2); for Table 4's concatenation the map itself."""
        if self.bands is None:
            return [x]
        return [band(part) for band, part in zip(self.bands, haar(x)[:3], strict=True)]


class WFM(nn.Module):
    """Wavelet Fusion Module (Eq. 17-19), or its alternatives of Table 4: upsamples a map and fuses it with a skip connection.

    `x`: (n, c, h, w); `skip`: the output of `SkipConnection` -> (n, c/2, 2h, 2w).
    """

    def __init__(self, config: LAAConfig, channels: int, skip_channels: int) -> None:
        super().__init__()
        # How much of the map goes into the inverse transform as HH: Table 4's rows are none, all, or half of it (Eq. 17).
        self.wavelet_channels = {"concat": 0, "wfm_unsplit": channels, "wfm": channels // 2}[config.fusion]
        rest = channels - self.wavelet_channels
        self.up = nn.ConvTranspose2d(rest, rest, 4, stride=2, padding=1) if rest else None  # Eq. 18
        joined = channels + (skip_channels if config.fusion == "concat" else 0)
        self.merge = nn.Conv2d(joined, channels // 2, 1)  # Eq. 19

    def forward(self, x: Tensor, skip: list[Tensor]) -> Tensor:
        high, rest = x.split((self.wavelet_channels, x.shape[1] - self.wavelet_channels), 1)
        parts = [haar_inverse(skip[0], skip[1], skip[2], high)] if self.wavelet_channels else skip  # Eq. 18
        if self.up is not None:
            parts = [*parts, upsample_2x(self.up, rest)]
        return self.merge(torch.cat(parts, 1))


def upsample_2x(layer: nn.ConvTranspose2d, x: Tensor) -> Tensor:
    """Upsamples by the transposed convolution of Eq. 18: (n, c, h, w) -> (n, c, 2h, 2w).

    The bias is added separately: on a CPU oneDNN takes longer over its gradient than over all else.
    """
    out = F.conv_transpose2d(x, layer.weight, None, stride=2, padding=1)
    return out + layer.bias.to(out.dtype)[:, None, None]  # type: ignore[union-attr]


class LAATransformer(nn.Module):
    """Adds detail to an upsampled, hence blurred face: a residual from an encoder-decoder of RSA blocks with skip connections.

    In the paper's words: extraction (the encoder), transformation (the bottleneck) and recovery (the decoder).

    Assumption: every convolution and linear layer has a bias; the paper mentions none.
    Call with `enlarged`: (n, 3, s, s) RGB in [0, 1], s = `config.image_size`, made by `models.protocol.network_input`
    -> (n, 3, s, s), not clamped. Any other shape raises ValueError.
    """

    def __init__(self, config: LAAConfig) -> None:
        super().__init__()
        self.config = config
        extraction, recovery = config.extraction, config.recovery
        self.head = nn.Conv2d(3, config.base_channels, 3, padding=1)
        self.extract = nn.ModuleList(build_rsa_blocks(config, stage) for stage in extraction)
        self.down = nn.ModuleList(nn.Conv2d(s.channels, 2 * s.channels, 4, stride=2, padding=1) for s in extraction[:-1])
        self.transform = build_rsa_blocks(config, config.transformation)
        self.recover = nn.ModuleList(build_rsa_blocks(config, stage) for stage in recovery)
        pairs = list(zip(recovery[:-1], reversed(extraction[:-1]), strict=True))
        fuse = [WFM(config, deep.channels, shallow.channels) for deep, shallow in pairs]
        skips = [
            SkipConnection(config, shallow.channels, f.wavelet_channels) for (_, shallow), f in zip(pairs, fuse, strict=True)
        ]
        self.fuse = nn.ModuleList(fuse)
        self.skips = nn.ModuleList(reversed(skips))
        self.tail = nn.Conv2d(recovery[-1].channels, 3, 3, padding=1)
        # Assumption: PyTorch's own initialisation; in a trial of 960 faces it gained 0.88 dB, truncated normal (0.02) 0.54 dB.
        # Assumption: a tail of zeros, so that training starts at the plain enlargement, which is already close.
        for parameter in self.tail.parameters():
            nn.init.zeros_(parameter)

    def forward(self, enlarged: Tensor) -> Tensor:
        size = self.config.image_size
        if enlarged.ndim != 4 or enlarged.shape[1:] != (3, size, size):
            raise ValueError(f"the network takes (n, 3, {size}, {size}), not {tuple(enlarged.shape)}")
        x = self.activate(self.head(enlarged.contiguous(memory_format=torch.channels_last)))  # Eq. 1
        skips = []
        for step, blocks in enumerate(self.extract[:-1]):
            x = run_nhwc(blocks, x)
            skips.append(self.skips[step](x))  # Eq. 3
            x = self.down[step](x)  # Eq. 2
        x = run_nhwc(self.extract[-1], x)
        x = run_nhwc(self.recover[0], torch.cat((run_nhwc(self.transform, x), x), 1))  # Eq. 4, Eq. 5 for j = 1
        for fuse, blocks in zip(self.fuse, self.recover[1:], strict=True):
            x = run_nhwc(blocks, fuse(x, skips.pop()))  # Eq. 5
        return enlarged + self.activate(self.tail(x))  # Sec. 3.1: I^L + I^R

    def activate(self, x: Tensor) -> Tensor:
        """Applies the leaky ReLU; any shape -> the same."""
        return F.leaky_relu(x, self.config.leaky_slope)
