"""Training of the face classifier, on crops that a few steps tell apart."""

from __future__ import annotations

import pytest
import torch

from laa_cli.train.face_classifier import fit
from laa_cli.train.face_classifier.fit import NormalizedClassifier, augment, fit_classifier, initialized
from models.face_classifier.config import FaceClassifierConfig
from models.mtcnn.proposals import MEAN, SPAN

SMALL = FaceClassifierConfig(base_channels=4, image_size=16, hidden=16)


def made_up(count: int, *, faces: bool, seed: int) -> torch.Tensor:
    """Noise; "faces" are dark in the middle."""
    crops = torch.randint(90, 166, (count, 3, 20, 20), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    if faces:
        crops[:, :, 7:13, 7:13] -= 50
    return crops


def probabilities(network: torch.nn.Module, crops: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return network((crops[:, :, 2:18, 2:18].float() - MEAN) / SPAN)[0][:, 1]


def test_it_learns_and_repeats_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "BATCH", 32)
    monkeypatch.setattr(fit, "WARM_UP_STEPS", 5)
    data = [made_up(128, faces=faces, seed=seed) for seed, faces in enumerate((True, False))]
    losses: list[float] = []

    def train() -> torch.nn.Module:
        return fit_classifier(*data, SMALL, torch.Generator().manual_seed(0), lambda _, loss: losses.append(loss), epochs=12)

    network = train()
    assert losses[-1] < 0.5 * losses[0]
    assert probabilities(network, made_up(40, faces=True, seed=8)).mean() > 0.8
    assert probabilities(network, made_up(40, faces=False, seed=9)).mean() < 0.2
    torch.rand(3)  # nobody else's random numbers count
    again = train()
    assert all(torch.equal(one, other) for one, other in zip(network.parameters(), again.parameters(), strict=True))


def test_folding_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "DROPOUT", 0.0)
    random = torch.Generator().manual_seed(0)
    network = NormalizedClassifier(initialized(SMALL, random))
    for _ in range(3):
        network(torch.randn(8, 3, 16, 16, generator=random) + 1)
    crops = torch.randn(5, 3, 16, 16, generator=random)
    network.eval()
    with torch.inference_mode():
        assert torch.allclose(network(crops).softmax(1), network.folded()(crops)[0], atol=1e-6)


def test_what_is_drawn_of_crops_is_what_the_network_takes() -> None:
    crops = made_up(300, faces=True, seed=3)
    drawn = augment(crops, 16, torch.Generator().manual_seed(1))
    assert drawn.shape == (300, 3, 16, 16)
    assert drawn.mean().abs() < 0.2
    grey = (drawn[:, :1] - drawn).flatten(1).std(1)
    tinted = (drawn - drawn.mean((2, 3), keepdim=True))[:, 0] - (drawn - drawn.mean((2, 3), keepdim=True))[:, 1]
    assert 30 < (tinted.abs().amax((1, 2)) < 1e-4).sum() < 90  # a fifth is grey but for its tint
    assert (grey > 0).all()
