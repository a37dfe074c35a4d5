"""Patch division and merging against plain loops, their gradients against autograd's."""

from __future__ import annotations

from itertools import pairwise

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.hpinet.patches import divide, merge, overlap_weights, patch_starts

SIZES = st.tuples(st.integers(12, 40), st.integers(12, 40), st.sampled_from([6, 8, 12]))


def places(height: int, width: int, patch: int) -> list[tuple[int, int]]:
    return [(top, left) for top in patch_starts(height, patch) for left in patch_starts(width, patch)]


def divide_plainly(x: Tensor, patch: int) -> Tensor:
    squares = [x[:, t : t + patch, left : left + patch].flatten(1, 2) for t, left in places(x.shape[1], x.shape[2], patch)]
    return torch.stack(squares, 1)


def merge_plainly(patches: Tensor, size: tuple[int, int], patch: int) -> Tensor:
    """Adds up, then halves each zone where a patch lies over the one before, first by rows, then by columns."""
    total = torch.zeros(len(patches), *size, patches.shape[3], dtype=patches.dtype)
    for index, (top, left) in enumerate(places(*size, patch)):
        zone = total[:, top : top + patch, left : left + patch]
        total = total.clone()
        total[:, top : top + patch, left : left + patch] = zone + patches[:, index].unflatten(1, (patch, patch))
    halving = [torch.ones(length) for length in size]
    for line, length in zip(halving, size, strict=True):
        starts = patch_starts(length, patch)
        for before, start in pairwise(starts):
            line[start : before + patch] /= 2
    return total * torch.outer(*halving)[..., None]


@given(SIZES)
@settings(deadline=None, max_examples=30)
def test_dividing_and_merging_are_what_plain_loops_do(size: tuple[int, int, int]) -> None:
    height, width, patch = size
    x = torch.rand(2, height, width, 3, dtype=torch.float64)
    patches = divide(x, patch)
    assert torch.equal(patches, divide_plainly(x, patch))
    weighted = patches * torch.rand(patches.shape[1], dtype=torch.float64)[:, None, None]
    torch.testing.assert_close(merge(weighted, (height, width), patch), merge_plainly(weighted, (height, width), patch))


@given(SIZES)
@settings(deadline=None, max_examples=15)
def test_the_gradients_are_those_of_plain_loops(size: tuple[int, int, int]) -> None:
    height, width, patch = size
    x = torch.rand(1, height, width, 2, dtype=torch.float64, requires_grad=True)
    target = torch.rand(1, height, width, 2, dtype=torch.float64)
    gradients = [
        torch.autograd.grad(((together(cut(x, patch).sin(), (height, width), patch)) * target).sum(), x)[0]
        for cut, together in ((divide, merge), (divide_plainly, merge_plainly))
    ]
    torch.testing.assert_close(*gradients)


def test_patches_cover_a_side_and_end_at_its_end() -> None:
    assert patch_starts(24, 24) == [0]
    assert patch_starts(33, 12) == [0, 10, 20, 21]
    assert patch_starts(32, 12) == [0, 10, 20]


def test_where_three_patches_lie_each_counts_a_quarter() -> None:
    assert overlap_weights(33, 12)[18:24].tolist() == [1.0, 1.0, 0.5, 0.25, 0.5, 0.5]
