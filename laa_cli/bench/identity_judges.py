"""The judges of `laa bench identity`: networks that tell by two embeddings' distance whether two faces are of one person."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .degradation import Levels, to_uint8
from .dlib_network import CHIP_PX, DlibFileError, load_dlib_network
from .perceptual import Embedding, UnavailableError, load_face_embedding

EXTRA = "pip install 'laa[identity]'"
MODELS_PACKAGE = "face_recognition_models"
NETWORK_FILE = "dlib_face_recognition_resnet_model_v1.dat"
LANDMARKS_FILE = "shape_predictor_5_face_landmarks.dat"
# Where dlib looks for the five landmarks, of 128 px (left, top, right, bottom): the median of the boxes that its own detector
# finds. Any box of 72 to 88 px there gives the same figures on true faces: see docs/laa-photo.md.
BOX_PX = (20, 25, 108, 113)


@dataclass(frozen=True)
class Judge:
    """A judge under its name in records (`key`) and in tables (`title`), or the reason why it is not at hand."""

    key: str
    title: str
    embed: Embedding | None
    unavailable: str = ""


def load_judges(*, fetch: bool = False) -> list[Judge]:
    """Loads all judges. `fetch`: whether weights that are missing may be downloaded."""
    return [
        load_judge("dlib", "dlib's ResNet", load_dlib),
        load_judge("vggface2", "InceptionResnetV1 (VGGFace2)", lambda: load_face_embedding(fetch=fetch)),
    ]


def load_judge(key: str, title: str, load: Callable[[], Embedding]) -> Judge:
    """Returns the judge, or the reason why there is none."""
    try:
        return Judge(key, title, load())
    except UnavailableError as error:
        return Judge(key, title, None, str(error))


def load_dlib() -> Embedding:
    """Loads dlib's alignment, by five landmarks found in the judged picture, and its network. Raises UnavailableError."""
    try:
        import dlib
    except ImportError as error:
        raise UnavailableError(f"{error}: {EXTRA}") from error
    network_file, landmarks_file = find_model(NETWORK_FILE), find_model(LANDMARKS_FILE)
    try:
        network, predictor = load_dlib_network(network_file), dlib.shape_predictor(str(landmarks_file))
    except (OSError, RuntimeError, DlibFileError) as error:
        raise UnavailableError(f"dlib's files cannot be read ({error}): install {MODELS_PACKAGE} again") from error

    @torch.inference_mode()
    def embed(faces: Tensor) -> Tensor:
        chips = np.stack([align(dlib, predictor, to_uint8(face)) for face in faces])
        return network(torch.from_numpy(chips).permute(0, 3, 1, 2).float())

    return embed


def align(dlib: Any, predictor: Any, face: Levels) -> Levels:
    """Turns and crops a face by its landmarks: (128, 128, 3) uint8 RGB -> (150, 150, 3)."""
    return dlib.get_face_chip(face, predictor(face, dlib.rectangle(*BOX_PX)), size=CHIP_PX)


def find_model(name: str) -> Path:
    """Finds a file of face_recognition_models, which is not imported: it needs a module that setuptools no longer has."""
    found = importlib.util.find_spec(MODELS_PACKAGE)
    for folder in found.submodule_search_locations or () if found else ():
        if (path := Path(folder, "models", name)).is_file():
            return path
    raise UnavailableError(f"{name} of {MODELS_PACKAGE} is missing: {EXTRA}")
