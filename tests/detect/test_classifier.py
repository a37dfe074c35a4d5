"""The face classifier on squares of a photo."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

from laa_cli.detect import classifier
from laa_cli.detect.classifier import CandidateClassifier, context_squares
from laa_cli.detect.patch_network import Search
from laa_cli.detect.sampling import build_pyramid
from laa_cli.errors import LaaError
from models.worker_pool import Workers

CPU = torch.device("cpu")
# Two squares around the astronaut's face, one around the shuttle, one around a badge on the suit.
SQUARES = torch.tensor([[167.0, 59, 282, 174], [160, 50, 290, 180], [390, 20, 460, 90], [60, 380, 130, 450]])


@pytest.fixture(scope="module")
def shipped() -> CandidateClassifier:
    return CandidateClassifier.load(CPU)


def look(
    shipped: CandidateClassifier, rgb: np.ndarray, squares: torch.Tensor, roll_deg: float = 0, *, mirrored: bool = False
) -> torch.Tensor:
    search = Search(build_pyramid(np.ascontiguousarray(rgb), 12), Workers(None, 1, 1))
    with torch.inference_mode():
        return shipped(search, squares, torch.full((len(squares),), roll_deg), mirrored=mirrored)


def test_squares_become_the_protocols_crops() -> None:
    assert context_squares(torch.tensor([[10.0, 20, 18, 28]])).tolist() == [[9, 19, 19, 29]]
    assert context_squares(torch.tensor([[10.0, 20, 18, 28]]), 2).tolist() == [[4, 14, 24, 34]]


def test_a_face_is_told_from_other_things_in_any_size_and_mirrored(shipped: CandidateClassifier) -> None:
    astronaut = data.astronaut()
    whole = look(shipped, astronaut, SQUARES)
    assert whole[:2].min() > 0.9
    assert whole[2:].max() < 0.1
    small = look(shipped, astronaut.reshape(64, 8, 64, 8, 3).mean((1, 3)).astype(np.uint8), SQUARES / 8)
    assert small[:2].min() > 0.6
    assert small[2:].max() < 0.6  # nine pixels


def test_mirrored_crops_are_those_of_the_mirrored_photo(shipped: CandidateClassifier) -> None:
    astronaut = data.astronaut()
    squares = SQUARES[:, [2, 1, 0, 3]] * torch.tensor([-1, 1, -1, 1]) + torch.tensor([512.0, 0, 512, 0])
    assert torch.allclose(
        look(shipped, astronaut[:, ::-1], squares), look(shipped, astronaut, SQUARES, mirrored=True), atol=0.02
    )


def test_a_rolled_face_is_turned_upright_before(shipped: CandidateClassifier) -> None:
    quarter = np.rot90(data.astronaut(), -1)  # clockwise: (x, y) is at (512 - y, x) then
    face = SQUARES[:1]
    turned = torch.stack([512 - face[:, 3], face[:, 0], 512 - face[:, 1], face[:, 2]], 1)
    upright = look(shipped, data.astronaut(), face).item()
    assert look(shipped, quarter, turned, 90).item() == pytest.approx(upright, abs=0.02)
    assert look(shipped, quarter, turned).item() < upright


def test_damaged_weights_are_an_error_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = classifier.CLASSIFIER_WEIGHTS
    shutil.copy(whole.parent / "SHA256SUMS", tmp_path)
    damaged = bytearray(whole.read_bytes())
    damaged[-100] ^= 1
    path = tmp_path / whole.name
    monkeypatch.setattr(classifier, "CLASSIFIER_WEIGHTS", path)
    for content, reason in ((None, "cannot be read"), (damaged, "is damaged"), (b"nothing", "is damaged")):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(LaaError, match=rf"^cannot detect faces, .*{path.name} {reason}.*: install laa again$"):
            CandidateClassifier.load(CPU)
