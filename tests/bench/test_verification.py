"""Figures of 1:1 verification against plain code, and the drawing of pairs."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laa_cli.bench.identity_pairs import MAX_PAIRS_EACH, draw_pairs, shuffle_persons
from laa_cli.bench.verification import (
    Scores,
    accuracy,
    area_under_curve,
    best_threshold,
    interval,
    person_weights,
    true_accept_rate,
)
from laa_cli.errors import LaaError

few_values = st.integers(-6, 6).map(float)  # so that there are ties


@st.composite
def some_scores(draw: st.DrawFn, most: int = 40) -> Scores:
    count = draw(st.integers(1, most))
    values = [np.array(draw(st.lists(few_values, min_size=count, max_size=count))) for _ in range(2)]
    return Scores(*values)


def once(scores: Scores) -> np.ndarray:
    return np.ones((1, len(scores.genuine)))


def slow_auc(scores: Scores) -> float:
    wins = [(g > i) + 0.5 * (g == i) for g in scores.genuine for i in scores.impostor]
    return float(np.mean(wins))


def slow_tar(scores: Scores) -> float:
    """The best of all thresholds whose false accepts are 1 % or fewer."""
    thresholds = [*scores.genuine, *scores.impostor, np.inf]
    return max(
        float(np.mean(scores.genuine >= threshold))
        for threshold in thresholds
        if np.sum(scores.impostor >= threshold) * 100 <= len(scores.impostor)
    )


def slow_right(scores: Scores, threshold: float) -> int:
    return sum(score >= threshold for score in scores.genuine) + sum(score < threshold for score in scores.impostor)


@given(some_scores(most=110))
@settings(max_examples=30, deadline=None)
def test_auc_and_true_accepts_are_those_of_plain_code(scores: Scores) -> None:
    assert area_under_curve(scores, once(scores))[0] == pytest.approx(slow_auc(scores))
    assert true_accept_rate(scores, once(scores))[0] == pytest.approx(slow_tar(scores))


def test_one_false_accept_in_a_hundred_is_allowed() -> None:
    impostor = np.arange(100.0)
    assert true_accept_rate(Scores(np.full(100, 98.5), impostor), np.ones((1, 100))).tolist() == [1]
    assert true_accept_rate(Scores(np.full(100, 98.0), impostor), np.ones((1, 100))).tolist() == [0]
    assert true_accept_rate(Scores(np.full(99, 98.5), np.r_[impostor[2:], 99.0]), np.ones((1, 99))).tolist() == [0]


@given(some_scores())
@settings(max_examples=60, deadline=None)
def test_no_threshold_is_better_than_the_best(scores: Scores) -> None:
    found = slow_right(scores, best_threshold(scores))
    assert found == max(slow_right(scores, threshold) for threshold in (*scores.genuine, *scores.impostor, np.inf))


@given(some_scores(), st.data())
@settings(max_examples=60, deadline=None)
def test_a_weight_is_a_repetition(scores: Scores, data: st.DataObject) -> None:
    count = len(scores.genuine)
    weights = np.array(data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count).filter(any)))
    repeated = Scores(scores.genuine.repeat(weights), scores.impostor.repeat(weights))
    for figure in (area_under_curve, true_accept_rate):
        assert figure(scores, weights[None].astype(float))[0] == pytest.approx(figure(repeated, once(repeated))[0])


def test_a_folds_threshold_is_that_of_the_others() -> None:
    """Fold 0 is told apart by 0, fold 1 by 10: with each other's thresholds each has one kind wrong."""
    folds = np.array([0, 0, 1, 1])
    scores = Scores(np.array([1.0, 1.0, 11.0, 11.0]), np.array([-1.0, -1.0, 9.0, 9.0]))
    assert accuracy(scores, folds, np.ones((1, 4))).tolist() == [0.5]
    assert accuracy(Scores(scores.genuine, scores.genuine - 25), folds, np.ones((1, 4))).tolist() == [1]
    weights = np.array([[1.0, 0, 0, 0], [0, 0, 1, 1]])
    right = Scores(np.array([5.0, 5, 5, 5]), np.array([0.0, 9, 0, 0]))  # the second impostor is taken for its person
    assert accuracy(right, folds, weights).tolist() == [1, 1]
    assert accuracy(right, folds, np.ones((1, 4))).tolist() == [pytest.approx(7 / 8)]


def test_the_bootstrap_draws_persons() -> None:
    persons = ["b", "a", "b", "c"]
    weights = person_weights(persons, resamples=2000)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 0] + weights[:, 1] + weights[:, 3] == 3).all()
    assert weights.mean(0) == pytest.approx(1, abs=0.06)
    found = interval(np.array([0.5]), np.linspace(0, 1, 1001))
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.025, 0.975))


# pairs


def photos_of(counts: list[int]) -> dict[str, list[str]]:
    return {f"person {number}": [f"{number}/{photo}" for photo in range(count)] for number, count in enumerate(counts)}


@given(
    st.lists(st.integers(0, 14), min_size=12, max_size=60).filter(lambda counts: sum(count > 1 for count in counts) > 9),
    st.integers(10, 200),
    st.integers(0, 5),
)
@settings(max_examples=80, deadline=None)
def test_pairs_are_fair(counts: list[int], limit: int, seed: int) -> None:
    persons = photos_of(counts)
    pairs = draw_pairs(shuffle_persons(persons, seed), limit, lambda _: True)
    again = draw_pairs(shuffle_persons(dict(reversed(persons.items())), seed), limit, lambda _: True)
    assert pairs.genuine == again.genuine
    assert (pairs.impostors == again.impostors).all()
    expected = min(limit, sum(min(count // 2, MAX_PAIRS_EACH) for count in counts))
    assert len(pairs.genuine) == expected
    used = [name for pair in pairs.genuine for name in (pair.reference, pair.probe)]
    assert len(set(used)) == len(used)
    for place, pair in enumerate(pairs.genuine):
        assert {pair.reference, pair.probe} <= set(persons[pair.person])
        assert pairs.genuine[pairs.impostors[place]].person != pair.person
        assert pairs.folds[pairs.impostors[place]] == pairs.folds[place]
    assert sorted(pairs.impostors) == list(range(expected))
    fold_of = dict(zip(pairs.persons, pairs.folds, strict=True))
    assert all(fold_of[person] == fold for person, fold in zip(pairs.persons, pairs.folds, strict=True))
    times = Counter(pairs.persons)
    assert max(times.values()) <= MAX_PAIRS_EACH
    if max(times.values()) > 1:  # nobody has a second pair before all have a first
        assert len(times) == min(limit, sum(count > 1 for count in counts))


def test_photos_that_cannot_be_used_are_passed_over() -> None:
    asked: list[str] = []
    bad = {"0/1", "3/0", "3/2"}

    def accept(name: str) -> bool:
        asked.append(name)
        return name not in bad

    pairs = draw_pairs(shuffle_persons(photos_of([4] * 11 + [1])), 100, accept)
    assert len(asked) == len(set(asked)) == 44
    assert not bad & {name for pair in pairs.genuine for name in (pair.reference, pair.probe)}
    assert Counter(pairs.persons)["person 0"] == 1
    assert len(pairs.genuine) == 2 * 9 + 2


@pytest.mark.parametrize(
    ("counts", "message"),
    [([1, 1, 1], r"no person has two photos among these faces \(3 have one\)"), ([2] * 9, "9 persons have .* give 10 or more")],
)
def test_too_few_persons_are_an_error(counts: list[int], message: str) -> None:
    with pytest.raises(LaaError, match=message):
        draw_pairs(shuffle_persons(photos_of(counts)), 100, lambda _: True)
