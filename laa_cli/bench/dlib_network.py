"""dlib's face recognition network in torch, its weights read from dlib's own file.

dlib's wheels have no BLAS: there a face takes 120 ms of a core, here 8. A test compares the two.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHIP_PX = 150  # side of the aligned face
MEAN_RGB = (122.782, 117.001, 104.298)
STAGES = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))  # channels and blocks; each but the first begins by halving
CONVOLUTIONS, AFFINES, LINEARS = (
    b"\x05con_4",
    b"\x07affine_",
    b"\x04fc_2",
)  # as the file names layers, behind the names' lengths
TENSOR_VERSION = 2


class DlibFileError(Exception):
    """Why a file is not dlib's face recognition network."""


class DlibConvolution(nn.Module):
    """A convolution and an affine layer. `padded`: dlib pads where the stride is 1."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2 if stride == 1 else 0)
        self.scale = nn.Parameter(torch.ones(outputs, 1, 1))
        self.shift = nn.Parameter(torch.zeros(outputs, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, h', w')."""
        return self.convolution(x) * self.scale + self.shift


class DlibBlock(nn.Module):
    """A residual block; `halves`: one that halves the resolution."""

    def __init__(self, inputs: int, outputs: int, *, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        self.first = DlibConvolution(inputs, outputs, 3, 2 if halves else 1)
        self.second = DlibConvolution(outputs, outputs, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, h', w')."""
        skipped = F.avg_pool2d(x, 2) if self.halves else x
        return F.relu(add_padded(self.second(F.relu(self.first(x))), skipped))


class DlibNetwork(nn.Module):
    """dlib's ResNet with 29 convolutions, `dlib_face_recognition_resnet_model_v1`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = DlibConvolution(3, STAGES[0][0], 7, 2)
        blocks: list[DlibBlock] = []
        inputs = STAGES[0][0]
        for stage, (channels, count) in enumerate(STAGES):
            for place in range(count):
                blocks.append(DlibBlock(inputs, channels, halves=stage > 0 and place == 0))
                inputs = channels
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Linear(inputs, 128, bias=False)

    def forward(self, chips: Tensor) -> Tensor:
        """Embeds aligned faces: (n, 3, 150, 150) RGB, 0..255 -> (n, 128)."""
        x = (chips - chips.new_tensor(MEAN_RGB)[:, None, None]) / 256
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2)
        return self.last(self.blocks(x).mean((2, 3)))


def add_padded(x: Tensor, y: Tensor) -> Tensor:
    """Adds maps of different sizes (n, c, h, w), zeros where one of them has nothing, as dlib does."""
    size = [max(a, b) for a, b in zip(x.shape[1:], y.shape[1:], strict=True)]
    padded = [F.pad(z, (0, size[2] - z.shape[3], 0, size[1] - z.shape[2], 0, size[0] - z.shape[1])) for z in (x, y)]
    return padded[0] + padded[1]


def load_dlib_network(path: Path) -> DlibNetwork:
    """Reads the weights from dlib's file, in evaluation mode. Raises DlibFileError and OSError."""
    content = path.read_bytes()
    network = DlibNetwork()
    layers = [module for module in network.modules() if isinstance(module, DlibConvolution)]
    convolutions, affines, linears = (read_layers(content, name) for name in (CONVOLUTIONS, AFFINES, LINEARS))
    if [len(convolutions), len(affines), len(linears)] != [len(layers), len(layers), 1]:
        raise DlibFileError("it has other layers")
    with torch.no_grad():
        for layer, filters, affine in zip(layers, convolutions, affines, strict=True):
            fill([*layer.convolution.parameters()], filters)  # filters, then biases
            fill([layer.scale, layer.shift], affine)
        fill([network.last.weight.T], linears[0])
    return network.eval()


def read_layers(content: bytes, name: bytes) -> list[Tensor]:
    """Reads the parameters of each layer of that name in the file's order, which is that of the forward pass: (count,) each."""
    return [read_tensor(content, match.end()) for match in re.finditer(re.escape(name), content)]


def read_tensor(content: bytes, start: int) -> Tensor:
    """Reads the tensor at a layer's start, behind its other integers: version, four dimensions, and little-endian floats."""
    integers: list[int] = []
    while len(integers) < 5 or integers[-5] != TENSOR_VERSION or min(integers[-4:]) < 1:
        if len(integers) == 8:
            raise DlibFileError("it is written in another way")
        value, start = read_integer(content, start)
        integers.append(value)
    count = integers[-4] * integers[-3] * integers[-2] * integers[-1]
    if start + 4 * count > len(content):
        raise DlibFileError("it is cut")
    return torch.frombuffer(bytearray(content[start : start + 4 * count]), dtype=torch.float32)


def read_integer(content: bytes, start: int) -> tuple[int, int]:
    """Reads dlib's integer: a byte with the number of its bytes, and those, little-endian. Returns it and where it ends."""
    try:
        length = struct.unpack_from("B", content, start)[0]
    except struct.error as error:
        raise DlibFileError("it is cut") from error
    if not 1 <= length <= 8:
        raise DlibFileError("it is written in another way")
    return int.from_bytes(content[start + 1 : start + 1 + length], "little"), start + 1 + length


def fill(parameters: list[Tensor], values: Tensor) -> None:
    """Copies values (count,) into parameters, one behind the other."""
    if sum(parameter.numel() for parameter in parameters) != len(values):
        raise DlibFileError("a layer has another size")
    for parameter, part in zip(parameters, values.split([p.numel() for p in parameters]), strict=True):
        parameter.copy_(part.reshape(parameter.shape))
