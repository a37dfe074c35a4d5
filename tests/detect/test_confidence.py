"""The logistic regression that tells faces from texture."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from laa_cli.detect.confidence import Evidence, face_logits, mean_probability

PROBABILITY = st.floats(0, 1, width=32)


def logit(values: list[float]) -> float:
    return face_logits(Evidence(*(torch.tensor([value]) for value in values))).item()


@given(values=st.lists(PROBABILITY, min_size=4, max_size=4), which=st.integers(0, 3), higher=PROBABILITY)
def test_no_network_counts_against_what_it_says(values: list[float], which: int, higher: float) -> None:
    raised = [*values]
    raised[which] = max(higher, values[which])
    assert logit(raised) >= logit(values)


def test_all_networks_decide_and_none_alone() -> None:
    assert logit([0.7] * 4) < 0 < logit([0.8] * 4)
    for which in range(4):
        values = [0.05] * 4
        values[which] = 1
        assert logit(values) < 0


def test_networks_that_are_certain_are_believed() -> None:
    assert logit([1, 1, 1, 1]) > 5
    assert logit([0, 0, 0, 0]) < -5


def test_where_all_of_mtcnn_is_certain_the_classifier_is_outvoted() -> None:
    assert logit([1, 1, 1, 0]) > 5
    assert logit([0.9, 0.9, 0.9, 0]) < 0


def test_logits_are_averaged() -> None:
    one, other = torch.tensor([0.9, 0.5, 1.0]), torch.tensor([0.9, 0.9, 0.0])
    assert mean_probability(one, other).tolist() == pytest.approx([0.9, 0.75, 0.5], abs=1e-3)
