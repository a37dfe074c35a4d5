"""Timing on clocks of its own: no test depends on how fast this machine is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from laa_cli.utils.timing import interquartile_range, summarize, time_rounds

CPU = torch.device("cpu")


class Watch:
    """A clock that work moves on by hand."""

    def __init__(self, *seconds: float) -> None:
        self.now, self.calls, self.seconds = 0.0, 0, seconds

    def __call__(self) -> float:
        return self.now

    def work(self) -> None:
        self.now += self.seconds[min(self.calls, len(self.seconds) - 1)]
        self.calls += 1


def test_warm_up_is_left_out_and_time_bounds_the_rounds() -> None:
    watch = Watch(9, 9, 1, 2, 3, 4, 5)
    assert time_rounds(watch.work, CPU, 9, watch) == [1000, 2000, 3000, 4000]
    watch = Watch(60)
    assert time_rounds(watch.work, CPU, 0, watch) == [60000] * 3  # slow work is done three times, whatever it takes


def test_median_and_quartiles_by_hand() -> None:
    timing = summarize("x", "cpu", "float32", 4, [1.0, 2.0, 3.0, 4.0, 100.0], gflops=6)
    assert (timing.median_ms, timing.iqr_ms, timing.best_ms, timing.rounds) == (3, 2, 1, 5)
    assert interquartile_range([5.0, 5.0, 5.0]) == 0
    assert timing.per_second == pytest.approx(4000 / 3)
    limit = summarize("limit", "cpu", "float32", 1, [1.0, 4.0, 4.0], gflops=8)
    assert timing.share_of(limit) == pytest.approx(2 / 8)  # 6 in 3 ms, of 8 in 1 ms
    assert replace(timing, gflops=None).share_of(limit) is None
