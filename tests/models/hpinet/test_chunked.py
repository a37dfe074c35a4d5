"""HPINet in chunks: equal to the network as it is written, whatever the chunks; the same bytes for any number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from models.hpinet import chunked
from models.hpinet.chunked import ChunkedHPINet, find_partners, stage_macs
from models.hpinet.config import HPINetConfig, sized
from models.hpinet.matching import similarity
from models.hpinet.network import HPINet, PatchStage
from models.hpinet.patches import divide
from models.worker_pool import one_thread_workers

SMALL = HPINetConfig(dim=8, qk_dim=4, mlp_dim=8, patch_sizes=(8, 12), layers=2)
SIZES = [(1, 1), (5, 40), (24, 24), (33, 33), (35, 53), (90, 120)]


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def random_network(config: HPINetConfig) -> HPINet:
    """Parameters that keep features near 1, so that partners are no toss-up and errors no larger than elsewhere."""
    torch.manual_seed(0)
    network = HPINet(config)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    return network.eval()


def run(network: HPINet, lr: Tensor, cuts: tuple[float, ...] = (0, 0.3, 0.31, 1)) -> Tensor:
    """The output of a picture (3, h, w), by rows between shares of its height."""
    shares = []
    with one_thread_workers() as workers:  # without the inference mode, which is the network's own affair
        steps = ChunkedHPINet(network).steps(lr, workers)
        while True:
            try:
                shares.append(next(steps))
            except StopIteration as end:
                rows = end.value
                break
        assert shares == sorted(shares)
        assert shares[0] >= 0
        assert shares[-1] < 1
        places = [round(cut * lr.shape[1] * network.config.scale) for cut in cuts]
        output = torch.cat([rows(top, bottom) for top, bottom in pairwise(places) if bottom > top], 1)
        assert not output.requires_grad
        return output


@pytest.mark.parametrize("chunk_px", [50, 1000, chunked.CHUNK_PX])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_chunks_give_what_the_whole_gives(size: tuple[int, int], chunk_px: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked, "CHUNK_PX", chunk_px)
    monkeypatch.setattr(chunked, "BLOCK", max(8, chunk_px // 8))
    monkeypatch.setattr(chunked, "STRIP_PX", chunk_px)
    monkeypatch.setattr(chunked, "TAIL_VALUES", chunk_px * 20)
    network, lr = random_network(replace(SMALL, patch_sizes=(8, 12, 24))), torch.rand(3, *size)
    with torch.inference_mode():
        expected = network(lr[None])[0]
    torch.testing.assert_close(run(network, lr), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tail", ["one_step", "two_step"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_tail_in_strips(scale: int, tail: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked, "TAIL_VALUES", 5000)
    network, lr = random_network(replace(SMALL, scale=scale, tail=tail)), torch.rand(3, 31, 14)  # type: ignore[arg-type]
    with torch.inference_mode():
        expected = network(lr[None])[0]
    torch.testing.assert_close(run(network, lr), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["T", "S"])
def test_the_sizes_that_people_use(name: str) -> None:
    network, lr = random_network(sized(name)), torch.rand(3, 26, 50)
    with torch.inference_mode():
        expected = network(lr[None])[0]
    torch.testing.assert_close(run(network, lr), expected, rtol=1e-3, atol=1e-3)


def test_the_number_of_threads_changes_no_bit() -> None:
    network, lr = random_network(sized("T")), torch.rand(3, 70, 90)
    outputs = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        outputs.append(run(network, lr))
    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[0], outputs[2])


@pytest.mark.parametrize("block", [7, 64, 10_000])
def test_partners_are_those_of_the_whole_matrix(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked, "BLOCK", block)
    stage, x = PatchStage(SMALL, 8), torch.rand(100, 80, SMALL.dim)
    with torch.inference_mode(), one_thread_workers() as workers:
        steps = find_partners(stage, x, workers)
        try:
            while True:
                next(steps)
        except StopIteration as end:
            partners = end.value
        scores = similarity(stage.matching.embed(divide(x[None], 8)))[0]
    best = scores.gather(1, partners[:, None])[:, 0]
    torch.testing.assert_close(best, scores.amax(1))  # two may be equally similar
    assert not (partners == torch.arange(len(partners))).any()


@pytest.mark.parametrize(("name", "scale", "gmacs"), [("S", 4, 81.9), ("M", 4, 135.8), ("L", 4, 196.4)])
def test_the_count_of_multiply_adds(name: str, scale: int, gmacs: float) -> None:
    """The specification's figures for an output of 1280x720, less head and tail."""
    config = sized(name, scale)
    height, width = 720 // scale, 1280 // scale
    stages = sum(sum(stage_macs(config, patch, height, width)) for patch in config.patch_sizes)
    ends = height * width * (27 * config.dim + 180 * config.dim**2 + 432 * config.dim)
    assert (stages + ends) / 1e9 == pytest.approx(gmacs, abs=0.06)
