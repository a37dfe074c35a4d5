"""The face network for inference: the network's function, in both precisions, and the same bytes in any company."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from fakes import portrait, randomize_parameters
from skimage import data
from torch import Tensor
from torch.nn import functional as F

from models.checkpoint import DEFAULT_WEIGHTS, load
from models.laa.config import LAAConfig
from models.laa.fast_network import ROWS, FastLAA, is_supported
from models.laa.network import LAATransformer
from models.metrics import psnr_db
from models.protocol import network_input, reduce

SMALL = LAAConfig(base_channels=4, image_size=64, blocks=1, reduction=2)  # stages with key regions, and without


@pytest.fixture(scope="module")
def shipped() -> LAATransformer:
    network, _ = load(DEFAULT_WEIGHTS)
    assert isinstance(network, LAATransformer)
    return network.eval()


@pytest.fixture(scope="module")
def inputs() -> Tensor:
    return torch.cat([network_input(reduce(portrait(seed), side)) for seed, side in ((1, 12), (2, 30), (3, 64))])


@pytest.mark.parametrize("size", [32, 64, 96])
def test_any_size_of_the_papers_network(size: int) -> None:
    network = randomize_parameters(LAATransformer(replace(SMALL, image_size=size))).eval()
    faces = torch.rand(2, 3, size, size)
    with torch.inference_mode():
        expected = network(faces)
    scale = expected.abs().max().item()
    assert scale > 100  # nothing is hidden by small weights
    torch.testing.assert_close(FastLAA(network, torch.float32)(faces), expected, rtol=0, atol=1e-5 * scale)


def test_the_shipped_network_in_float32(shipped: LAATransformer, inputs: Tensor) -> None:
    with torch.inference_mode():
        expected = shipped(inputs)
    assert inputs.shape[2] ** 2 > ROWS  # the MLP goes in parts
    torch.testing.assert_close(FastLAA(shipped, torch.float32)(inputs), expected, rtol=0, atol=2e-6)


@pytest.fixture(scope="module")
def real_faces() -> Tensor:
    """The astronaut's face in three sizes."""
    face = torch.from_numpy(data.astronaut()[45:189, 153:297].copy()).permute(2, 0, 1)[None].float().div(255)
    face = F.interpolate(face, (128, 128), mode="bicubic", antialias=True).clamp(0, 1)
    return torch.cat([network_input(reduce(face, side)) for side in (12, 30, 64)])


def test_bfloat16_is_as_near_as_autocast(shipped: LAATransformer, inputs: Tensor, real_faces: Tensor) -> None:
    inputs = torch.cat([real_faces, inputs])
    with torch.inference_mode():
        expected = shipped(inputs)
        with torch.autocast("cpu", torch.bfloat16):
            autocast = shipped(inputs).float()
    found = FastLAA(shipped, torch.bfloat16)(inputs)
    assert found.dtype == torch.float32
    assert bool((psnr_db(found, expected) > psnr_db(autocast, expected) - 1).all())
    # of the made-up portrait of 64 px, which is no face, autocast keeps no more than 53 dB either, since the weights of 0.4.0
    assert psnr_db(found, expected)[:-1].min() > 55
    assert not torch.equal(found, FastLAA(shipped, torch.float32)(inputs))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_face_is_the_same_in_any_company_and_the_input_stays(
    dtype: torch.dtype, shipped: LAATransformer, inputs: Tensor
) -> None:
    fast, before = FastLAA(shipped, dtype), inputs.clone()
    together = fast(inputs)
    assert torch.equal(inputs, before)
    assert torch.equal(together, torch.cat([fast(face[None]) for face in inputs]))
    assert torch.equal(together, fast(inputs))


def test_ablations_have_no_fast_form() -> None:
    assert is_supported(LAAConfig())
    for change in ({"attention": "csa"}, {"integration": "first"}, {"fusion": "concat"}, {"fusion": "wfm_unsplit"}):
        assert not is_supported(replace(LAAConfig(), **change))  # type: ignore[arg-type]
