"""Checkpoints: safetensors files whose metadata say how to build the network and what it was trained for.

`ARCHITECTURES` is the table of networks that a checkpoint can hold: to add one, write its modules in a folder beside `laa/` and
add an entry. A checkpoint names its architecture in its card, `load` builds that network and loads the tensors strictly.
Card and tensors are checked against the digest that is stored with them (`tensor_file`).
"""

from __future__ import annotations

import hashlib
import json
import math
import reprlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from .face_classifier.config import FaceClassifierConfig
from .face_classifier.network import FaceClassifier
from .hpinet.config import HPINetConfig
from .hpinet.network import HPINet
from .laa.config import LAAConfig
from .laa.network import LAATransformer
from .sizes import CROP_MARGIN, HR_SIZE, LR_SIZE
from .strict_json import parse_json
from .tensor_file import TensorFileError, read_tensor_file, serialize

FORMAT_VERSION = 1
METADATA_KEY = "laa"  # the entry of safetensors' metadata that holds the card and marks a file as ours
WEIGHTS = Path(__file__).parent / "weights"
PROTOCOL_WEIGHTS = WEIGHTS / "laa-x8.safetensors"  # trained for the paper's task
DEFAULT_WEIGHTS = WEIGHTS / "laa-photo.safetensors"  # what laa uses: trained for photos
BACKGROUND_WEIGHTS = WEIGHTS / "laa-background.safetensors"  # for the photo outside the faces
CLASSIFIER_WEIGHTS = WEIGHTS / "laa-faces.safetensors"  # tells faces from texture


class CheckpointError(ValueError):
    """A weights file that cannot be used; the message says why and what to do, without the file's name."""


class ModelConfig(Protocol):
    """The hyperparameters of a network, as a card stores them."""

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON-ready form that the architecture's `parse_config` reads."""


ConfigT = TypeVar("ConfigT", bound=ModelConfig)


@dataclass(frozen=True, kw_only=True)
class Architecture(Generic[ConfigT]):
    """A kind of network that checkpoints can hold.

    `parse_config`: reads the configuration from its JSON form, ValueError where it cannot be built. `build`: makes the network
    with fresh parameters. `protocol`: the task and preprocessing that it is trained for; weights of another one are refused.
    `crop_px_range`: smallest and largest side of the crops that a card may name; None: it takes whole pictures, not crops.
    """

    name: str
    parse_config: Callable[[dict[str, Any]], ConfigT]
    build: Callable[[ConfigT], nn.Module]
    protocol: dict[str, Any]
    crop_px_range: tuple[int, int] | None

    def parse_crop_px(self, values: Any) -> tuple[int, int] | None:
        """Reads the sides of crops. ValueError or TypeError where they are none, out of range, or in the wrong order."""
        if self.crop_px_range is None:
            if values is not None:
                raise ValueError(f"crop_px is {reprlib.repr(values)}")
            return None
        smallest, largest = (check_type("crop_px", side, int) for side in values)
        if not self.crop_px_range[0] <= smallest <= largest <= self.crop_px_range[1]:
            raise ValueError(f"crops of {smallest} to {largest} px")
        return smallest, largest


LAA_TRANSFORMER = Architecture(
    name="laa-transformer",
    parse_config=LAAConfig.from_dict,
    build=LAATransformer,
    protocol={"lr_size": LR_SIZE, "hr_size": HR_SIZE, "crop_margin": CROP_MARGIN, "kernel": "bicubic, a=-0.5, antialiased"},
    crop_px_range=(1, HR_SIZE),
)
HPINET = Architecture(
    name="hpinet",
    parse_config=HPINetConfig.from_dict,
    build=HPINet,
    protocol={"kernel": "bicubic, a=-0.5, antialiased"},
    crop_px_range=None,
)
FACE_CLASSIFIER = Architecture(
    name="face-classifier",
    parse_config=FaceClassifierConfig.from_dict,
    build=FaceClassifier,
    protocol={"crop_margin": CROP_MARGIN, "candidates": "MTCNN"},
    crop_px_range=None,
)
ARCHITECTURES: dict[str, Architecture[Any]] = {entry.name: entry for entry in (LAA_TRANSFORMER, HPINET, FACE_CLASSIFIER)}


@dataclass(frozen=True)
class ModelCard(Generic[ConfigT]):
    """What a checkpoint says of its network beside the tensors."""

    config: ConfigT
    name: str = "unnamed"
    training: dict[str, Any] = field(default_factory=dict)  # data, schedule, faces seen, hardware
    validation: dict[str, Any] = field(default_factory=dict)  # psnr_db, ssim, gain_db, ... and of how many faces
    # smallest and largest side of the crops that it was trained for; None of networks for whole pictures
    crop_px: tuple[int, int] | None = (LR_SIZE, LR_SIZE)
    fidelity_coefficients: tuple[float, ...] = ()  # of the fidelity estimator; whoever uses them knows their form
    architecture: str = LAA_TRANSFORMER.name  # a key of ARCHITECTURES
    doubt_coefficients: tuple[float, ...] = ()  # of a face's error bars; the same
    verified: bool = field(default=False, compare=False)  # on loading, by the file's digest or the SHA-256 shipped beside it

    def to_json(self) -> str:
        """Serializes the card for the metadata.

        The key "architecture" is written only where it is not the LAA-Transformer, and "doubt" only where there are such
        coefficients: cards from before them have no such keys, and a file that is written again is to keep its bytes, and with
        them its SHA-256.
        """
        is_default = self.architecture == LAA_TRANSFORMER.name
        return json.dumps(
            {
                "format": FORMAT_VERSION,
                "name": self.name,
                **({} if is_default else {"architecture": self.architecture}),
                "config": self.config.to_dict(),
                "protocol": ARCHITECTURES[self.architecture].protocol,
                "crop_px": self.crop_px,
                "gauge": self.fidelity_coefficients,
                **({"doubt": self.doubt_coefficients} if self.doubt_coefficients else {}),
                "training": self.training,
                "validation": self.validation,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> ModelCard[Any]:
        """Parses `to_json`'s text. CheckpointError where it is damaged or needs another laa or another protocol."""
        try:
            return parse_card(parse_json(text))
        except CheckpointError:
            raise
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise CheckpointError(f"has an unusable description ({str(error)[:200]}): get the file again") from error


def parse_card(values: Any) -> ModelCard[Any]:
    """Builds a card from its JSON form; CheckpointError, or what a value of a wrong type raises, where that cannot be."""
    version = check_type("format", check_type("the card", values, dict)["format"], int)
    if version > FORMAT_VERSION:
        raise CheckpointError(f"has format {reprlib.repr(version)}, this laa reads up to {FORMAT_VERSION}: upgrade laa")
    name = check_type("architecture", values.get("architecture", LAA_TRANSFORMER.name), str)
    if name not in ARCHITECTURES:
        raise CheckpointError(f"needs the architecture {name[:50]}, which this laa does not have: upgrade laa")
    architecture = ARCHITECTURES[name]
    if values["protocol"] != architecture.protocol:
        raise CheckpointError(f"was trained for another protocol: {reprlib.repr(values['protocol'])}")
    return ModelCard(
        architecture.parse_config(check_type("config", values["config"], dict)),
        check_type("name", values["name"], str),
        check_type("training", values["training"], dict),
        check_type("validation", values["validation"], dict),
        architecture.parse_crop_px(values.get("crop_px", (LR_SIZE, LR_SIZE))),
        parse_coefficients("gauge", values),
        architecture.name,
        parse_coefficients("doubt", values),
    )


def check_type(name: str, value: Any, kind: type) -> Any:
    """Returns a value of the card. ValueError where it has another type; a bool is no int."""
    if type(value) is not kind:
        raise ValueError(f"{name} is {reprlib.repr(value)}")
    return value


def parse_coefficients(name: str, values: dict[str, Any]) -> tuple[float, ...]:
    """Reads the coefficients of that name, if there are any. ValueError or OverflowError where one is no finite number."""
    return tuple(map(parse_coefficient, check_type(name, values.get(name, []), list)))


def parse_coefficient(value: Any) -> float:
    """Reads a coefficient. ValueError or OverflowError where it is no finite number."""
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"a coefficient is {reprlib.repr(value)}")
    return float(value)


def save_bytes(network: nn.Module, card: ModelCard[Any]) -> bytes:
    """Serializes a network's state_dict, as float16, and its card to the content of a safetensors file with their digest."""
    tensors = {name: tensor.detach().cpu().half().contiguous() for name, tensor in network.state_dict().items()}
    return serialize(tensors, {METADATA_KEY: card.to_json()})


def load(path: Path, *, verify: bool | None = None) -> tuple[nn.Module, ModelCard[Any]]:
    """Builds the network that a checkpoint names, in float32 and evaluation mode on the CPU, and returns it with its card.

    `verify`: compare the file with the SHA-256 shipped beside it; by default for the shipped weights only. A digest in the
    file is always compared; the card's `verified` tells whether there was either.
    Raises OSError where the file cannot be read and CheckpointError where it cannot be used. Pickles are never loaded.
    """
    if verify is None:
        verify = path.resolve().parent == WEIGHTS.resolve()
    if verify:
        check_hash(path)
    card, tensors = read_checkpoint(path)
    with torch.device("meta"):  # no memory and no random numbers for parameters that are replaced at once
        network = ARCHITECTURES[card.architecture].build(card.config)
    check_tensors(network.state_dict(), tensors)
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    return network.eval(), replace(card, verified=card.verified or verify)


def read_checkpoint(path: Path) -> tuple[ModelCard[Any], dict[str, Tensor]]:
    """Reads card and tensors of a file. Raises OSError, or CheckpointError where it is damaged or no checkpoint of laa."""
    try:
        file = read_tensor_file(path)
    except TensorFileError as error:
        raise CheckpointError(f"{error}: get the file again, or choose another --weights") from error
    if METADATA_KEY not in file.metadata:
        raise CheckpointError("is a safetensors file, but not a checkpoint of laa: choose another --weights")
    if len(file.metadata) > 1:
        raise CheckpointError("is damaged: it has unknown metadata: get the file again, or choose another --weights")
    return replace(ModelCard.from_json(file.metadata[METADATA_KEY]), verified=file.verified), file.tensors


def check_hash(path: Path) -> None:
    """Compares a file's SHA-256 with its line in the SHA256SUMS beside it; CheckpointError where they differ."""
    lines = (path.parent / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in map(str.split, lines)}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != sums.get(path.name):
        raise CheckpointError(f"is damaged: its SHA-256 is {digest}, not {sums.get(path.name)}: install laa again")


def check_tensors(expected: dict[str, Tensor], tensors: dict[str, Tensor]) -> None:
    """Raises CheckpointError that names the first tensor that is missing, unknown, of another shape, or not finite."""
    for name, tensor in expected.items():
        if name not in tensors:
            raise CheckpointError(f"lacks the tensor {name}: it does not fit its own configuration")
        if tensors[name].shape != tensor.shape:
            raise CheckpointError(f"has {name} as {tuple(tensors[name].shape)}, the network needs {tuple(tensor.shape)}")
        if not tensors[name].isfinite().all():
            raise CheckpointError(f"has values in {name} that are not finite: get the file again")
    if unknown := sorted(set(tensors) - set(expected)):
        raise CheckpointError(f"has a tensor that its network does not: {unknown[0]}")
