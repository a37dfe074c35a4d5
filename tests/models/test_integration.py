"""The folded Feature Integration Module against its two branches, and its output at key regions against the whole map."""

from __future__ import annotations

import pytest
import torch
from fakes import randomize_parameters, slow_fim
from torch.nn import functional as F

from models.laa.integration import FIM, PositionEmbedding, shifted_sums
from models.laa.maps import gather_pixels, pixel_index


@pytest.mark.parametrize("kind", ["both", "first", "second", "dwconv"])
def test_folded_fim_equals_its_two_branches(kind: str) -> None:
    fim = randomize_parameters(FIM(6, kind, reduction=2))
    x = torch.randn(3, 8, 12, 6)
    expected = slow_fim(fim, x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # type: ignore[arg-type]
    torch.testing.assert_close(fim(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(5, 7), (2, 2)])
def test_shifted_sums_are_those_of_shifted_maps(size: tuple[int, int]) -> None:
    x = torch.randn(2, *size, 3, dtype=torch.float64, requires_grad=True)
    padded = F.pad(x, (0, 0, 1, 1, 1, 1))
    views = [padded[:, r : r + size[0], c : c + size[1]].sum((1, 2)) for r in range(3) for c in range(3)]
    expected = torch.stack(views, 1).unflatten(1, (3, 3))
    found = shifted_sums(x).double()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    seen = torch.randn_like(expected)
    for one, other in zip(torch.autograd.grad(found, x, seen), torch.autograd.grad(expected, x, seen), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("module", [FIM(6, "both", 2), PositionEmbedding(6, 16)], ids=["fim", "positions"])
def test_regions_equal_the_whole_map(module: FIM | PositionEmbedding) -> None:
    randomize_parameters(module)
    x = torch.randn(2, 16, 16, 6)
    index = torch.tensor([[0, 5, 15], [3, 7, 12]])  # corners and rims too, where the padding shows
    whole = gather_pixels(module(x), pixel_index(index, grid=4, stride=4, rim=0)).flatten(1, 3)
    torch.testing.assert_close(module.forward_regions(x, index, grid=4, stride=4), whole, rtol=1e-4, atol=1e-4)
