"""The fast PNet against the plain one: on pictures of any size, in tiles of any size, on any number of threads."""

from __future__ import annotations

import pytest
import torch
from fakes import randomize_parameters
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.mtcnn.networks import PNet
from models.mtcnn.proposals import CELL_PX, FastPNet, Proposals, cell_spans
from models.worker_pool import Workers, one_thread_workers

THRESHOLD = 0.55


@pytest.fixture(scope="module")
def network() -> PNet:
    torch.manual_seed(3)
    network = PNet().eval().requires_grad_(False)
    randomize_parameters(network)
    with torch.no_grad():
        for slopes in (network.prelu1, network.prelu2, network.prelu3):
            slopes.weight.uniform_(-1.5, 1.5)  # some fall, as in the trained ones
    return network


def picture(height: int, width: int) -> Tensor:
    random = torch.Generator().manual_seed(height * 1000 + width)
    return torch.randint(0, 256, (height, width, 3), dtype=torch.uint8, generator=random)


def plain(network: PNet, pixels: Tensor) -> dict[tuple[int, int], list[float]]:
    """Offsets and score of every cell above the threshold, by its corner."""
    offsets, scores = network((pixels.permute(2, 0, 1)[None].float() - 127.5) / 128)
    rows, columns = (scores[0, 1] > THRESHOLD).nonzero(as_tuple=True)
    return {
        (2 * column, 2 * row): [*offsets[0, :, row, column].tolist(), scores[0, 1, row, column].item()]
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    }


def by_corner(rows: list[Proposals]) -> dict[tuple[int, int], list[float]]:
    found = {}
    for proposals in rows:
        for corner, offsets, score in zip(*(column.tolist() for column in proposals), strict=True):
            assert tuple(corner) not in found
            found[tuple(corner)] = [*offsets, score]
    return found


@settings(deadline=None, max_examples=60)
@given(height=st.integers(CELL_PX, 70), width=st.integers(CELL_PX, 70), tile_cells=st.integers(1, 40))
def test_it_proposes_what_the_plain_one_does(network: PNet, height: int, width: int, tile_cells: int) -> None:
    pixels = picture(height, width)
    found = by_corner(list(FastPNet(network, THRESHOLD, tile_cells).rows(pixels, Workers(None, 1, 1))))
    expected = plain(network, pixels)
    near = {corner for corner, values in (expected | found).items() if abs(values[4] - THRESHOLD) < 1e-5}
    assert found.keys() - near == expected.keys() - near
    for corner in found.keys() & expected.keys():
        assert found[corner] == pytest.approx(expected[corner], abs=1e-4)


def test_bfloat16_proposes_nearly_the_same(network: PNet) -> None:
    pixels = picture(90, 130)
    exact = by_corner(list(FastPNet(network, THRESHOLD).rows(pixels, Workers(None, 1, 1))))
    rounded = by_corner(list(FastPNet(network, THRESHOLD, dtype=torch.bfloat16).rows(pixels, Workers(None, 1, 1))))
    assert len(exact.keys() & rounded.keys()) > 0.9 * len(exact.keys() | rounded.keys())
    pairs = [pair for key in exact.keys() & rounded.keys() for pair in zip(exact[key], rounded[key], strict=True)]
    assert 0 < max(abs(a - b) for a, b in pairs) < 0.05 * max(abs(a) for a, _ in pairs)


def test_something_is_proposed(network: PNet) -> None:
    assert 20 < len(plain(network, picture(70, 70))) < 900


def test_threads_change_no_bit(network: PNet) -> None:
    pixels, fast = picture(90, 130), FastPNet(network, THRESHOLD, 10)
    with one_thread_workers(3) as workers:
        several = list(fast.rows(pixels, workers))
    alone = list(fast.rows(pixels, Workers(None, 1, 1)))
    assert all(torch.equal(a, b) for one, other in zip(several, alone, strict=True) for a, b in zip(one, other, strict=True))


@given(length=st.integers(CELL_PX, 4000), most=st.integers(1, 300))
def test_spans_cover_every_cell_once(length: int, most: int) -> None:
    spans = list(cell_spans(length, most))
    cells = [cell for span in spans for cell in span]
    assert cells == list(range(len(cells)))
    assert all(len(span) <= most for span in spans)
    assert 2 * (len(cells) - 2) + CELL_PX < length <= 2 * (len(cells) - 1) + CELL_PX
