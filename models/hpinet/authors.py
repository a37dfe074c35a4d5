"""Reads the checkpoints that HPINet's authors publish: their names of tensors to ours, and the sizes from the shapes.

Of their sizes only the patches cannot be read from shapes; they follow from the number of blocks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .config import SIZES, HPINetConfig
from .network import HPINet

PREFIX = "module."  # of every name
MARK = "cross_match.0.norm.weight"  # no other network's checkpoint has it
PATCH_SIZES = {len(sizes): sizes for sizes in (HPINetConfig.patch_sizes, SIZES["L"]["patch_sizes"])}
# Patterns of their names in their order, and what they are here.
NAMES = (
    (r"first_conv\.", "head."),
    (r"cross_match\.(\d+)\.norm\.", r"stages.\1.matching.norm."),
    (r"blocks\.(\d+)\.layers\.(\d+)\.0\.norm\.", r"stages.\1.block.layers.\2.attention_norm."),
    (r"blocks\.(\d+)\.layers\.(\d+)\.0\.fn\.to_([qkv])\.", r"stages.\1.block.layers.\2.attention.to_\3."),
    (r"blocks\.(\d+)\.layers\.(\d+)\.1\.norm\.", r"stages.\1.block.layers.\2.mlp_norm."),
    (r"blocks\.(\d+)\.layers\.(\d+)\.1\.fn\.fc1\.", r"stages.\1.block.layers.\2.mlp.0."),
    (r"blocks\.(\d+)\.layers\.(\d+)\.1\.fn\.fc2\.", r"stages.\1.block.layers.\2.mlp.2."),
    (r"mid_convs\.(\d+)\.", r"stages.\1.conv."),
    (r"upconv1?\.", "tail.0."),
    (r"upconv2\.", "tail.3."),
)


def is_authors_state(tensors: Mapping[str, Any]) -> bool:
    """Tells a checkpoint of HPINet's authors from those of other networks."""
    return PREFIX + MARK in tensors or MARK in tensors


def read_authors_state(tensors: Mapping[str, Tensor]) -> HPINet:
    """Builds the network of a checkpoint that `is_authors_state`, in evaluation mode.

    Raises ValueError that names the first tensor that is missing, unknown, of a wrong shape, or not finite.
    """
    config = read_config({name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()})
    with torch.device("meta"):
        network = HPINet(config)
    expected, last = network.state_dict(), "tail.6." if config.scale == 4 else "tail.3."
    renamed = {rename(name.removeprefix(PREFIX), last): (name, tensor) for name, tensor in tensors.items()}
    for name, (theirs, tensor) in renamed.items():
        if name not in expected:
            raise ValueError(f"has a tensor that HPINet does not: {theirs[:100]}")
        if not isinstance(tensor, Tensor) or tensor.shape != expected[name].shape:
            raise ValueError(f"has {theirs} in another shape than {tuple(expected[name].shape)}")
        if not tensor.is_floating_point() or not tensor.isfinite().all():
            raise ValueError(f"has values in {theirs} that are no finite numbers")
    if missing := sorted(expected.keys() - renamed.keys()):
        raise ValueError(f"lacks a tensor of HPINet's: {missing[0]} by laa's names")
    network.load_state_dict({name: tensor.float() for name, (_, tensor) in renamed.items()}, assign=True)
    return network.eval()


def rename(name: str, last: str) -> str:
    """Translates a name of theirs; one that is no name of HPINet's stays. `last`: what the last convolution is called here."""
    for pattern, ours in ((r"last_conv\.", last), *NAMES):
        renamed, count = re.subn(rf"^{pattern}(?=(weight|bias)$)", ours, name)
        if count:
            return renamed
    return name


def read_config(state: Mapping[str, Tensor]) -> HPINetConfig:
    """Reads the sizes of the network from the tensors' shapes. ValueError where they are none of HPINet's."""
    try:
        dim = state["first_conv.weight"].shape[0]
        blocks = len({name.split(".")[1] for name in state if name.startswith("blocks.")})
        layers = len({name.split(".")[3] for name in state if name.startswith("blocks.0.layers.")})
        two_steps = "upconv2.weight" in state
        factor = state["upconv1.weight" if two_steps else "upconv.weight"].shape[0] // max(dim, 1)
        scale = {(True, 4): 4, (False, 4): 2, (False, 9): 3}.get((two_steps, factor))
        qk_dim = state["blocks.0.layers.0.0.fn.to_q.weight"].shape[0]
        mlp_dim = state["blocks.0.layers.0.1.fn.fc1.weight"].shape[0]
    except (KeyError, AttributeError, IndexError) as error:
        raise ValueError(f"lacks a tensor of HPINet's: {error}") from error
    if scale is None or blocks not in PATCH_SIZES:
        raise ValueError(f"is of an HPINet with {blocks} blocks, whose tail enlarges {factor} times: there is none of the kind")
    return HPINetConfig(scale, dim, qk_dim, mlp_dim, PATCH_SIZES[blocks], layers)
