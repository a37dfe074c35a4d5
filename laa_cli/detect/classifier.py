"""The face classifier on MTCNN's candidates."""

from __future__ import annotations

import torch
from torch import Tensor

from models.checkpoint import CLASSIFIER_WEIGHTS, CheckpointError, load
from models.face_classifier.network import FaceClassifier
from models.sizes import CROP_MARGIN

from ..errors import LaaError
from .boxes import box_sides
from .patch_network import PatchNetwork, Search


class CandidateClassifier:
    """Runs the shipped face classifier on squares of a photo."""

    def __init__(self, network: FaceClassifier, device: torch.device) -> None:
        self.network = PatchNetwork(network, network.config.image_size, (2,), device)

    @classmethod
    def load(cls, device: torch.device) -> CandidateClassifier:
        """Loads the weights that come with laa. LaaError where they are damaged."""
        try:
            network, _ = load(CLASSIFIER_WEIGHTS, verify=True)
        except OSError as error:
            raise LaaError(f"cannot detect faces, {CLASSIFIER_WEIGHTS} cannot be read ({error}): install laa again") from error
        except CheckpointError as error:
            raise LaaError(f"cannot detect faces, {CLASSIFIER_WEIGHTS} {error}") from error
        assert isinstance(network, FaceClassifier)
        return cls(network, device)

    def __call__(self, search: Search, squares: Tensor, rolls: Tensor, *, mirrored: bool = False) -> Tensor:
        """Computes the probabilities (n,) that squares (n, 4), rotated clockwise by `rolls` (n,) degrees, hold faces; n > 0."""
        return self.network(search, context_squares(squares), rolls, mirrored=mirrored)[0]


def context_squares(squares: Tensor, room: float = 1.0) -> Tensor:
    """Widens candidates' squares (n, 4) to the crops that the classifier takes, the protocol's, and those `room` times more."""
    centres = (squares[:, :2] + squares[:, 2:]) / 2
    half = box_sides(squares) * (CROP_MARGIN * room / 2)
    return torch.cat([centres - half, centres + half], 1)
