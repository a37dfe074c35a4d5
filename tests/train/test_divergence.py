"""When a loss ends a run."""

from __future__ import annotations

import pytest
import torch
from fakes import ALONE

from laa_cli.errors import LaaError
from laa_cli.train.divergence import FIRST, PATIENCE, LossMonitor


def test_a_loss_that_stays_far_above_what_it_was_is_an_error() -> None:
    monitor = LossMonitor(ALONE)

    def check(loss: float) -> float:
        monitor.add(torch.tensor(loss))
        return monitor.check(7)

    for _ in range(FIRST):
        assert check(0.1) == pytest.approx(0.1)
    for _ in range(PATIENCE - 1):
        check(0.31)
        assert not monitor.is_good
    check(0.29)
    assert monitor.is_good
    for _ in range(PATIENCE - 1):
        check(0.31)
    with pytest.raises(LaaError, match="diverged"):
        check(0.31)
