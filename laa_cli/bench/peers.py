"""Peers: networks of other projects, loaded by spandrel and run on the input that they were trained for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.protocol import HR_SIZE, LR_SIZE, reduce, resize, to_8_bits

from ..errors import LaaError
from ..restore.spandrel_loading import ForeignFileError, describe_network, first_line, read_foreign_tensors
from .evaluate import Method, Restore

FACE_PX = 512  # what face restorers (GFPGAN, RestoreFormer) were trained on


def load_peer(path: Path, device: torch.device) -> Method:
    """Loads a weights file of another project. LaaError where spandrel is missing or cannot use the file.

    The face's 16x16 is enlarged bicubically until the network's own scale leads to 128 px: an 8x network gets 16x16, a 4x
    network 32x32, a 1x network 128x128. Face restorers get 512x512. Larger outputs are reduced to 128x128 by the protocol.
    A crop that is larger than that stays as it is.
    """
    model = load_descriptor(path, device)
    side_px = input_px(model)
    restore = make_restore(model, side_px, device)
    try:
        restore(torch.zeros(1, 3, LR_SIZE, LR_SIZE))
    except Exception as error:  # better now than after an hour
        raise LaaError(f"the peer {path} fails on a face of {side_px}x{side_px}: {first_line(error)}") from error
    count = sum(parameter.numel() for parameter in model.model.parameters())
    name = f"{path.stem} ({model.architecture.name})"
    return Method(name, "peer", restore, count, f"fed {side_px}x{side_px}, {model.scale}x network", batch=1)


def make_restore(model: Any, side_px: int, device: torch.device) -> Restore:
    """Wraps a network with its enlargement before and its reduction after: crops (n, 3, e, e) -> (n, 3, 128, 128)."""

    def restore(crops: Tensor) -> Tensor:
        inputs = to_8_bits(resize(crops, max(side_px, crops.shape[-1]))).to(device)
        outputs = torch.cat([model(face[None]) for face in inputs]).float().cpu()  # one by one, as spandrel's interface says
        return outputs if outputs.shape[-1] == HR_SIZE else reduce(outputs, HR_SIZE)

    return restore


def load_descriptor(path: Path, device: torch.device) -> Any:
    """Loads a file as spandrel's ImageModelDescriptor. LaaError where it is none, or takes no RGB."""
    try:
        return describe_network(read_foreign_tensors(path), device)
    except ImportError as error:
        raise LaaError(f"--peer needs spandrel ({error}): pip install 'laa[bench]'") from error
    except OSError as error:
        raise LaaError(f"cannot use the peer {path}: {error.strerror or error}: choose another --peer") from error
    except ForeignFileError as error:
        raise LaaError(f"cannot use the peer {path}: the file {error}: choose another --peer") from error


def input_px(model: Any) -> int:
    """Computes the side of the network's square input from its scale and purpose."""
    if model.scale == 1:
        return max(FACE_PX if model.purpose == "FaceSR" else HR_SIZE, model.size_requirements.minimum)
    return max(LR_SIZE, HR_SIZE // model.scale)
