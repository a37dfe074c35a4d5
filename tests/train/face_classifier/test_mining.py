"""Mining of crops: which candidates count as faces, and the whole way from pictures to weights, made small."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from laa_cli.train.face_classifier import run
from laa_cli.train.face_classifier.mining import is_on_face
from models.checkpoint import FACE_CLASSIFIER, load
from models.face_classifier.config import FaceClassifierConfig


def test_squares_on_the_face_are_those_near_it_in_place_and_size() -> None:
    squares = torch.tensor(
        [[40.0, 40, 60, 60], [46, 40, 66, 60], [49, 40, 69, 60], [44, 44, 56, 56], [45.5, 45.5, 54.5, 54.5], [20, 20, 80, 80]]
    )
    assert is_on_face(squares, 50, 20).tolist() == [True, True, False, True, False, False]


def test_from_faces_and_photos_to_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "FACES", 3)
    monkeypatch.setattr(run, "VIEWS", 1)
    monkeypatch.setattr(run, "CONFIG", FaceClassifierConfig(base_channels=2, image_size=16, hidden=4))
    face = Image.fromarray(data.astronaut()[22:212, 130:320]).resize((144, 144))
    faces, photos = tmp_path / "faces", tmp_path / "photos.tar"
    faces.mkdir()
    for name in "abc":
        face.save(faces / f"{name}.png")
    with tarfile.open(photos, "w") as tar:
        for name in ("coffee", "chelsea"):
            Image.fromarray(getattr(data, name)()).reduce(3).save(tmp_path / f"{name}.png")
            tar.add(tmp_path / f"{name}.png", f"{name}.png")
    crops, weights = tmp_path / "crops.npz", tmp_path / "weights.safetensors"
    run.mine([faces], photos, crops)
    with np.load(crops) as file:
        assert file["faces"].shape[1:] == file["others"].shape[1:] == (3, 20, 20)
        assert len(file["faces"]) >= 2  # of three faces, one may be too small to be seen
        assert len(file["others"]) == len(file["photo"])
        assert set(file["photo"].tolist()) <= {0, 1}
    run.fit(crops, weights)
    network, card = load(weights)
    assert card.architecture == FACE_CLASSIFIER.name
    assert card.training["faces"] >= 2
    assert network(torch.zeros(1, 3, 16, 16))[0].isfinite().all()
