"""The LAA-Transformer for inference on a CPU, without gradients: the network's function with fewer passes over memory.

In float32 it differs from `network.LAATransformer` by rounding alone. In bfloat16 weights, maps and products are bfloat16, sums
inside of products, norms and softmax are float32, as are the FIM's channel weights: 63 dB to float32, like autocast.
A face at a time, for its maps fit in a core's cache; measured, one thread: 0.83 of the modules' time in float32, 0.66 to
0.7 in bfloat16, where autocast takes 0.8.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import LAAConfig, Stage
from .fast_attention import FastRSA
from .fast_fusion import FastFusion
from .fast_layers import converted, convolve
from .network import LAATransformer, RSABlock

ROWS = 2048  # tokens whose MLP is computed at once: its hidden map stays in a core's cache


def is_supported(config: LAAConfig) -> bool:
    """Whether there is a fast form: of the paper's network in any size, not of its ablations."""
    return (config.attention, config.integration, config.fusion) == ("rsa", "both", "wfm")


class FastRSABlock:
    """Runs an RSABlock on a map (h, w, c), contiguous, in place."""

    def __init__(self, block: RSABlock, side: int, dtype: torch.dtype) -> None:
        self.attention_norm = converted(block.attention_norm, dtype)
        self.attention = FastRSA(block.attention, side, dtype)
        self.mlp_norm = converted(block.mlp_norm, dtype)
        self.widen, self.narrow = converted(block.mlp[0], dtype), converted(block.mlp[2], dtype)

    def __call__(self, x: Tensor) -> None:
        shape = [x.shape[2]]
        x += self.attention(F.layer_norm(x, shape, *self.attention_norm))
        for tokens in x.view(-1, *shape).split(ROWS):
            hidden = torch.ops.aten.gelu_(F.linear(F.layer_norm(tokens, shape, *self.mlp_norm), *self.widen))
            tokens.add_(F.linear(hidden, *self.narrow))


class FastLAA:
    """Runs an LAATransformer of a configuration that `is_supported`, on a CPU.

    `dtype`: float32 or bfloat16. Call as the network: (n, 3, s, s) float32 -> the same, whatever else is in the batch.
    """

    def __init__(self, network: LAATransformer, dtype: torch.dtype) -> None:
        config = network.config
        self.dtype, self.slope = dtype, config.leaky_slope
        self.head, self.tail = converted(network.head, dtype), converted(network.tail, dtype)
        self.extract = build_stages(network.extract, config.extraction, dtype)
        self.down = [converted(layer, dtype) for layer in network.down]
        self.transform = build_blocks(network.transform, config.transformation, dtype)
        self.recover = build_stages(network.recover, config.recovery, dtype)
        pairs = zip(network.skips, reversed(network.fuse), strict=True)
        self.fusions = [FastFusion(skip, fusion, dtype) for skip, fusion in pairs]  # type: ignore[arg-type]

    @torch.inference_mode()
    def __call__(self, enlarged: Tensor) -> Tensor:
        return torch.cat([self.restore(face) for face in enlarged.split(1)])

    def restore(self, enlarged: Tensor) -> Tensor:
        """Computes one face: (1, 3, s, s) -> (1, 3, s, s)."""
        x = convolve(enlarged[0].permute(1, 2, 0).to(self.dtype).contiguous(), *self.head)
        x, bands = F.leaky_relu_(x, self.slope), []
        for blocks, fusion, down in zip(self.extract, self.fusions, self.down, strict=False):
            x = run_blocks(blocks, x)
            bands.append(fusion.bands(x))
            x = convolve(x, *down, stride=2)
        x = run_blocks(self.extract[-1], x)
        x = run_blocks(self.recover[0], torch.cat((run_blocks(self.transform, x.clone()), x), 2))
        for blocks, fusion in zip(self.recover[1:], reversed(self.fusions), strict=True):
            x = run_blocks(blocks, fusion.fuse(x, bands.pop()))
        return enlarged + F.leaky_relu(convolve(x, *self.tail), self.slope).permute(2, 0, 1)


def build_stages(stages: Iterable[nn.Module], shapes: Iterable[Stage], dtype: torch.dtype) -> list[list[FastRSABlock]]:
    """Builds the blocks of several stages."""
    return [build_blocks(blocks, shape, dtype) for blocks, shape in zip(stages, shapes, strict=True)]


def build_blocks(blocks: nn.Module, stage: Stage, dtype: torch.dtype) -> list[FastRSABlock]:
    """Builds the blocks of a stage."""
    return [FastRSABlock(block, stage.size, dtype) for block in blocks.children() if isinstance(block, RSABlock)]


def run_blocks(blocks: list[FastRSABlock], x: Tensor) -> Tensor:
    """Runs blocks on a map (h, w, c), which is overwritten."""
    x = x.contiguous()
    for block in blocks:
        block(x)
    return x
