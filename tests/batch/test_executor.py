"""The executor of `laa batch`: threads and the budget of memory. It knows nothing of photos."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from laa_cli.batch.executor import MemoryBudget, ThreadPipeline, parse_size
from laa_cli.errors import Exit, LaaError, SetupError, UsageError


class FakeTask:
    """A task that records its stages; `fails`: the stage that raises `kind`; `need`: its bytes of memory."""

    lock, under_way, most = threading.Lock(), 0, 0

    def __init__(self, number: int, fails: str = "", kind: type[Exception] = ValueError, need: int = 1) -> None:
        self.number, self.fails, self.kind, self.need = number, fails, kind, need
        self.error: Exception | None = None
        self.stages: list[str] = []

    def stage(self, name: str) -> None:
        self.stages.append(name)
        if name == self.fails:
            raise self.kind(name)

    def size(self) -> int:
        return self.need

    def read(self) -> None:
        with FakeTask.lock:
            FakeTask.under_way += self.need
            FakeTask.most = max(FakeTask.most, FakeTask.under_way)
        self.stage("read")

    def work(self) -> Iterator[None]:
        self.stage("work")
        yield
        self.stage("more")

    def write(self) -> None:
        with FakeTask.lock:
            FakeTask.under_way -= self.need
        self.stage("write")


def run_tasks(tasks: list[FakeTask], workers: int = 3, memory: int = 1 << 20) -> list[FakeTask]:
    FakeTask.under_way = FakeTask.most = 0
    with ThreadPipeline[FakeTask](workers, memory) as executor:
        done = list(executor.run(tasks))
    assert not any(thread.is_alive() for thread in executor.threads)
    return done


def test_every_task_goes_through_every_stage_once() -> None:
    done = run_tasks([FakeTask(number) for number in range(200)])
    assert sorted(task.number for task in done) == list(range(200))
    assert all(task.stages == ["read", "work", "more", "write"] for task in done)


@pytest.mark.parametrize("stage", ["read", "work", "more"])
def test_what_a_stage_raises_is_the_tasks_own(stage: str) -> None:
    tasks = [FakeTask(number, stage if number == 5 else "") for number in range(9)]
    assert len(run_tasks(tasks)) == 9
    assert isinstance(tasks[5].error, ValueError)
    assert tasks[5].stages[-2:] == [stage, "write"]
    assert all(task.error is None for task in tasks if task.number != 5)


@pytest.mark.parametrize(("stage", "kind"), [("read", SetupError), ("work", SetupError), ("write", OSError)])
def test_what_concerns_all_ends_the_run(stage: str, kind: type[Exception]) -> None:
    def lone(number: int) -> FakeTask:
        return FakeTask(number, stage if number == 5 else "", kind)

    with pytest.raises(kind, match=stage):
        run_tasks([lone(number) for number in range(10_000)])


def test_what_the_source_of_tasks_raises_ends_the_run() -> None:
    def tasks() -> Iterator[FakeTask]:
        yield FakeTask(0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), ThreadPipeline[FakeTask](2, 10) as executor:
        list(executor.run(tasks()))


@pytest.mark.parametrize("memory", [1, 10, 25])
def test_tasks_under_way_stay_within_the_memory(memory: int) -> None:
    needs = [1 + 7 * number % 12 for number in range(100)]
    assert len(run_tasks([FakeTask(number, need=need) for number, need in enumerate(needs)], 4, memory)) == 100
    assert FakeTask.most <= max(memory, 12)  # what is larger than all of it runs alone


def test_leaving_early_gives_up_what_is_left() -> None:
    tasks = [FakeTask(number) for number in range(10_000)]
    with ThreadPipeline[FakeTask](2, 1 << 20) as executor:
        next(executor.run(tasks))
    assert not any(thread.is_alive() for thread in executor.threads)
    assert sum(bool(task.stages) for task in tasks) < 10_000


@pytest.mark.parametrize(("text", "size"), [("4G", 4 << 30), ("1.5g", 3 << 29), ("500M", 500 << 20), ("64KiB", 1 << 16)])
def test_memory_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size
    assert parse_size(None) > 1 << 28


def test_memory_must_be_given_where_the_system_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.sysconf")
    with pytest.raises(UsageError, match="memory must be given on this system") as caught:
        parse_size(None)
    assert caught.value.for_command_line().startswith("--memory must be given")


@pytest.mark.parametrize("text", ["", "0", "much", "-1G", "4X", "nan"])
def test_senseless_memory_sizes(text: str) -> None:
    with pytest.raises(LaaError) as error:
        parse_size(text)
    assert error.value.code == Exit.USAGE


def test_a_budget_lets_the_largest_through_alone() -> None:
    budget = MemoryBudget(10)
    budget.acquire(100)
    waiting = threading.Thread(target=budget.acquire, args=(1,))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    budget.release(100)
    waiting.join()
    assert budget.taken == 1
