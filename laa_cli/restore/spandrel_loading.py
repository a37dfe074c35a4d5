"""Model files of other projects: read as tensors only, and made networks by spandrel."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from models.tensor_file import PICKLES

from ..errors import out_of_memory

TORCH_START = (*PICKLES, b"\x80")


class ForeignFileError(ValueError):
    """A model file that cannot be used; the message says why, without the file's name."""


def read_foreign_tensors(path: Path) -> dict[str, Any]:
    """Reads what a safetensors file or torch.save's file holds, tensors in dictionaries; nothing of it is executed.

    Raises OSError where the file cannot be read and ForeignFileError where it is no such file or damaged.
    """
    with path.open("rb") as file:
        start = file.read(16)
    if not start:
        raise ForeignFileError("is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of formats that torch will stop writing
            tensors = read_pickle(path) if start.startswith(TORCH_START) else read_safetensors(path)
    except ForeignFileError:
        raise
    except Exception as error:  # whatever the readers raise on damaged files, OSError too
        if out_of_memory(error):
            raise
        raise ForeignFileError(f"is damaged, or no model file ({first_line(error)})") from error
    if not isinstance(tensors, dict):
        raise ForeignFileError(f"holds no tensors by names, but a {type(tensors).__name__}")
    return tensors


def read_pickle(path: Path) -> Any:
    """Reads torch.save's file on the CPU."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if (damaged := archive.testzip()) is not None:  # torch does not look
                raise ForeignFileError(f"is damaged: the checksum of its part {damaged} is another")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ForeignFileError("is a damaged pickle, or holds more than tensors, which laa never loads") from error


def read_safetensors(path: Path) -> dict[str, Any]:
    """Reads a safetensors file."""
    from safetensors.torch import load_file

    return load_file(path)


def describe_network(tensors: dict[str, Any], device: torch.device) -> Any:
    """Finds the network that tensors are of: spandrel's ImageModelDescriptor, in evaluation mode.

    Raises ImportError where spandrel is missing, and ForeignFileError where it knows no such network, or one that takes other
    than RGB.
    """
    import spandrel

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some of its networks call torch as one did years ago
            model = spandrel.ModelLoader(device).load_from_state_dict(spandrel.canonicalize_state_dict(tensors))
    except Exception as error:  # whatever architectures raise on tensors of another
        if out_of_memory(error):
            raise
        raise ForeignFileError(f"is of no network that spandrel knows ({first_line(error)})") from error
    if not isinstance(model, spandrel.ImageModelDescriptor):
        raise ForeignFileError(f"is of a {model.architecture.name}, which takes more than a picture")
    channels = (model.input_channels, model.output_channels)
    if channels != (3, 3):
        raise ForeignFileError(
            f"is of a {model.architecture.name} from {channels[0]} channels to {channels[1]}, not RGB to RGB"
        )
    return model.eval()


def first_line(error: BaseException) -> str:
    """Returns the first line of an exception's message, or its type where it has none."""
    return str(error).strip().split("\n")[0][:200] or type(error).__name__
