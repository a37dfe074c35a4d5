"""The logistic regression that tells faces from texture."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from laa_cli.detect.confidence import SIDES_PX, Evidence, face_logits, mean_probability

PROBABILITY = st.floats(0, 1, width=32)


def logit(values: list[float], side_px: float) -> float:
    return face_logits(Evidence(*(torch.tensor([value]) for value in values)), torch.tensor([side_px])).item()


@given(values=st.lists(PROBABILITY, min_size=4, max_size=4), which=st.integers(0, 3), higher=PROBABILITY)
def test_no_network_counts_against_what_it_says(values: list[float], which: int, higher: float) -> None:
    raised = [*values]
    raised[which] = max(higher, values[which])
    assert logit(raised, 12) >= logit(values, 12)


def test_all_networks_decide_and_none_alone() -> None:
    assert logit([0.8] * 4, 10) < 0 < logit([0.95] * 4, 10)
    for which in range(4):
        values = [0.05] * 4
        values[which] = 1
        assert logit(values, 10) < 0


def test_certain_networks_are_believed_at_any_size() -> None:
    for side_px in (1, 8, 24, 500, 1e6):
        assert logit([1, 1, 1, 1], side_px) > 5
        assert logit([0, 0, 0, 0], side_px) < -5
    assert logit([0.9] * 4, 1e6) == pytest.approx(logit([0.9] * 4, SIDES_PX[1]))


def test_logits_are_averaged() -> None:
    one, other = torch.tensor([0.9, 0.5, 1.0]), torch.tensor([0.9, 0.9, 0.0])
    assert mean_probability(one, other).tolist() == pytest.approx([0.9, 0.75, 0.5], abs=1e-3)
