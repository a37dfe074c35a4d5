"""The face classifier's configuration and network."""

from __future__ import annotations

import pytest
import torch

from models.checkpoint import FACE_CLASSIFIER, ModelCard, load, save_bytes
from models.face_classifier.config import FaceClassifierConfig
from models.face_classifier.network import FaceClassifier
from models.mtcnn.proposals import MEAN, SPAN, fold_normalization

SMALL = FaceClassifierConfig(base_channels=4, image_size=24, hidden=8)


@pytest.mark.parametrize("size", [8, 16, 24, 40, 64])
def test_any_size_that_is_allowed_can_be_built(size: int) -> None:
    network = FaceClassifier(FaceClassifierConfig(base_channels=2, image_size=size, hidden=3))
    (probabilities,) = network(torch.rand(5, 3, size, size))
    assert probabilities.shape == (5, 2)
    assert torch.allclose(probabilities.sum(1), torch.ones(5))


@pytest.mark.parametrize(
    ("name", "value"), [("base_channels", 0), ("base_channels", 2.0), ("image_size", 39), ("hidden", True), ("hidden", 5000)]
)
def test_impossible_settings_are_named(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be"):
        FaceClassifierConfig.from_dict({name: value})
    with pytest.raises(ValueError, match="unknown setting 'depth'"):
        FaceClassifierConfig.from_dict({"depth": 3})


def test_the_normalization_of_pixels_folds_into_it_up_to_the_rim() -> None:
    torch.manual_seed(0)
    network = FaceClassifier(SMALL)
    pixels = torch.randint(0, 256, (4, 3, 24, 24)).float()
    (expected,) = network((pixels - MEAN) / SPAN)
    fold_normalization(network.conv1)
    assert torch.allclose(network(pixels)[0], expected, atol=1e-5)


def test_it_comes_back_from_a_checkpoint(tmp_path) -> None:
    network = FaceClassifier(SMALL).half().float().eval()
    card = ModelCard(SMALL, "small", {"faces": 3}, crop_px=None, architecture=FACE_CLASSIFIER.name)
    path = tmp_path / "small.safetensors"
    path.write_bytes(save_bytes(network, card))
    again, read = load(path)
    crops = torch.rand(3, 3, 24, 24)
    assert read == card
    assert torch.equal(again(crops)[0], network(crops)[0])
