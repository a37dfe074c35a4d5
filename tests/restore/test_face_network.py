"""The face network as it runs: precisions, networks without a fast form, faces side by side."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from fakes import CPU, portrait, randomize_parameters
from torch import Tensor

from laa_cli.interfaces import FaceCrop
from laa_cli.restore.face_network import build_face_network, one_by_one
from laa_cli.restore.restorer import NetworkRestorer
from laa_cli.restore.runtime import Runtime
from models.laa.config import LAAConfig
from models.laa.network import LAATransformer
from models.metrics import psnr_db
from models.protocol import reduce

SMALL = LAAConfig(base_channels=4, image_size=32, blocks=1)
FLOAT32, BFLOAT16 = Runtime(CPU, "float32"), Runtime(CPU, "bfloat16")


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("change", [{}, {"attention": "csa"}, {"integration": "first"}, {"fusion": "concat"}])
def test_every_network_runs_in_both_precisions(change: dict[str, str]) -> None:
    network = randomize_parameters(LAATransformer(replace(SMALL, **change))).eval()  # type: ignore[arg-type]
    faces = torch.rand(3, 3, 32, 32)
    with torch.inference_mode():
        expected = network(faces)
        single, half = (build_face_network(network, runtime)(faces) for runtime in (FLOAT32, BFLOAT16))
    scale = expected.abs().max().item()
    torch.testing.assert_close(single, expected, rtol=0, atol=1e-5 * scale)
    assert half.dtype == torch.float32
    assert 0 < (half - expected).abs().max() < 0.1 * scale


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 7])
def test_faces_come_back_in_their_order_whoever_computes_them(threads: int, count: int) -> None:
    seen: list[tuple[int, int]] = []

    def network(face: Tensor) -> Tensor:
        assert len(face) == 1
        seen.append((threading.get_ident(), torch.get_num_threads()))
        return face * 2

    torch.set_num_threads(threads)
    faces = torch.arange(count, dtype=torch.float32).view(count, 1, 1, 1)
    assert torch.equal(one_by_one(network)(faces), faces * 2)
    assert len(seen) == count
    elsewhere = [used for who, used in seen if who != threading.get_ident()]
    assert set(elsewhere) <= {1}  # whoever works beside others has one thread
    left_over = count % threads if 2 * (count % threads) <= threads else 0
    assert len(elsewhere) == (count - left_over if threads > 1 else 0)


def test_the_shipped_weights_in_bfloat16_restore_the_same_faces() -> None:
    crops = [FaceCrop(reduce(portrait(seed), side)[0]) for seed, side in ((1, 16), (2, 40))]
    single, half = (NetworkRestorer.load(None, runtime)(crops) for runtime in (FLOAT32, BFLOAT16))
    for one, other in zip(single, half, strict=True):
        assert one.worthwhile == other.worthwhile
        assert psnr_db(other.face[None], one.face[None]).item() > 50
        assert not torch.equal(one.face, other.face)
