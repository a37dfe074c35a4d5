"""Weights on disk: safetensors with everything needed to rebuild and judge the network in the file's own metadata."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from .laa.config import LAAConfig
from .laa.network import LAATransformer
from .protocol import CROP_MARGIN, HR_SIZE, LR_SIZE

FORMAT = 1
KEY = "laa"  # the metadata entry that marks a file as ours
WEIGHTS = Path(__file__).parent / "weights"
PROTOCOL_WEIGHTS = WEIGHTS / "laa-x8.safetensors"  # trained for the paper's task
DEFAULT_WEIGHTS = WEIGHTS / "laa-photo.safetensors"  # what laa uses: trained for photos
PROTOCOL = {"lr_size": LR_SIZE, "hr_size": HR_SIZE, "crop_margin": CROP_MARGIN, "kernel": "bicubic, a=-0.5, antialiased"}


class CheckpointError(ValueError):
    """A weights file that cannot be used; the message says why and what to do, without the file's name."""


@dataclass(frozen=True)
class ModelCard:
    """What a checkpoint says of itself beside its tensors."""

    config: LAAConfig
    name: str = "unnamed"
    training: dict[str, Any] = field(default_factory=dict)  # data, schedule, faces seen, hardware
    validation: dict[str, Any] = field(default_factory=dict)  # psnr_db, ssim, gain_db, ... and of which faces
    crop_px: tuple[int, int] = (LR_SIZE, LR_SIZE)  # smallest and largest side of the crops that it was trained for
    fidelity_coefficients: tuple[
        float, ...
    ] = ()  # how the noise of a crop shows in the network's answer; whoever uses it knows its form

    def to_json(self) -> str:
        """The text under KEY."""
        return json.dumps(
            {
                "format": FORMAT,
                "name": self.name,
                "config": self.config.to_dict(),
                "protocol": PROTOCOL,
                "crop_px": self.crop_px,
                "gauge": self.fidelity_coefficients,
                "training": self.training,
                "validation": self.validation,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Reads `to_json`'s text; CheckpointError where a newer laa or another protocol made it."""
        try:
            values = json.loads(text)
            if values["format"] > FORMAT:
                raise CheckpointError(f"has format {values['format']}, this laa reads up to {FORMAT}: upgrade laa")
            if values["protocol"] != PROTOCOL:
                raise CheckpointError(f"was trained for another protocol: {values['protocol']}")
            config = LAAConfig.from_dict(values["config"])
            least, most = values.get("crop_px", (LR_SIZE, LR_SIZE))
            if not 1 <= least <= most <= HR_SIZE:
                raise ValueError(f"crops of {least} to {most} px")
            gauge = tuple(map(float, values.get("gauge", ())))
            return cls(config, values["name"], values["training"], values["validation"], (least, most), gauge)
        except CheckpointError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"has an unusable description ({error}): get the file again") from error


def save_bytes(network: LAATransformer, card: ModelCard) -> bytes:
    """The checkpoint's file content, tensors as float16."""
    tensors = {name: tensor.detach().cpu().half().contiguous() for name, tensor in network.state_dict().items()}
    return save(tensors, metadata={KEY: card.to_json()})


def load(path: Path, *, verify: bool | None = None) -> tuple[LAATransformer, ModelCard]:
    """Rebuilds a network, in float32 and evaluation mode, with its card.

    `verify`: compare the file with the hash shipped beside it; by default for the shipped weights only.
    Raises OSError where the file cannot be read and CheckpointError where it cannot be used. Pickles are never loaded.
    """
    with path.open("rb") as file:
        start = file.read(8)
    if verify if verify is not None else path.resolve().parent == WEIGHTS.resolve():
        check_hash(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if KEY not in metadata:
                raise CheckpointError("is a safetensors file, but not a checkpoint of laa: choose another --weights")
            card = ModelCard.from_json(metadata[KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except SafetensorError as error:
        kind = (
            "is a pickle, which laa never loads"
            if start[:2] in (b"PK", b"\x80\x02")
            else f"is no whole safetensors file ({error})"
        )
        raise CheckpointError(f"{kind}: get the file again, or choose another --weights") from error
    with torch.device("meta"):
        network = LAATransformer(card.config)
    check_tensors(network.state_dict(), tensors)
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    return network.eval(), card


def check_hash(path: Path) -> None:
    """Compares a file with its line in the SHA256SUMS beside it."""
    lines = (path.parent / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in map(str.split, lines)}
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sums.get(path.name):
        raise CheckpointError(f"is damaged: its SHA-256 is {found}, not {sums.get(path.name)}: install laa again")


def check_tensors(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> None:
    """Names the first tensor that is missing, unknown, of another shape, or not finite."""
    for name, tensor in expected.items():
        if name not in found:
            raise CheckpointError(f"lacks the tensor {name}: it does not fit its own configuration")
        if found[name].shape != tensor.shape:
            raise CheckpointError(f"has {name} as {tuple(found[name].shape)}, the network needs {tuple(tensor.shape)}")
        if not found[name].isfinite().all():
            raise CheckpointError(f"has values in {name} that are not finite: get the file again")
    if unknown := sorted(set(found) - set(expected)):
        raise CheckpointError(f"has a tensor that its network does not: {unknown[0]}")
