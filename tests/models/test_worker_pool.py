"""Workers: results in order, errors that reach the caller, and torch's number of threads as it was before."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from models.worker_pool import one_thread_workers


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 3])
def test_results_come_in_the_order_of_items(count: int) -> None:
    torch.set_num_threads(count)
    delays = [0.02, 0.0, 0.01, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]

    def wait(number: int) -> tuple[int, int, bool]:
        time.sleep(delays[number])
        return number, torch.get_num_threads(), torch.is_inference_mode_enabled()

    with one_thread_workers() as workers:
        assert list(workers.map(wait, range(9))) == [(number, 1, True) for number in range(9)]
    assert torch.get_num_threads() == count


def test_few_items_are_begun_ahead() -> None:
    torch.set_num_threads(2)
    begun: list[int] = []
    others = set(threading.enumerate())
    with one_thread_workers() as workers:
        results = workers.map(begun.append, range(100))
        next(results)
        assert len(begun) <= 5
        results.close()
        at_once: list[int] = []
        list(workers.at_most(1).map(lambda _: at_once.append(threading.get_ident()), range(9)))
        assert len(at_once) == 9
    assert len(begun) <= 5
    assert set(threading.enumerate()) <= others


@pytest.mark.parametrize("count", [1, 2])
def test_an_error_reaches_the_caller(count: int) -> None:
    torch.set_num_threads(count)

    def fail(number: int) -> int:
        return 1 // (number - 2)

    with pytest.raises(ZeroDivisionError), one_thread_workers() as workers:
        list(workers.map(fail, range(5)))
    assert torch.get_num_threads() == count
