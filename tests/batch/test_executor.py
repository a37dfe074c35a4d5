"""The parts of `laa batch` that know nothing of photos: threads, memory, shared network batches, the watch."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import FakeRestorer, batch_request, fake_upscaler, records, result_files, write_photo_of_noise
from torch import Tensor

from laa_cli.batch.executor import MemoryBudget, ThreadPipeline, parse_size
from laa_cli.batch.microbatch import MicroBatcher, is_batch_invariant, micro_batch_size
from laa_cli.batch.run import run
from laa_cli.batch.scan import PhotoFile
from laa_cli.batch.watch import Arrivals, watch
from laa_cli.console import Screen
from laa_cli.errors import Exit, LaaError, SetupError
from laa_cli.interfaces import FaceCrop, RestoredFace


class Fake:
    """A task that notes what is done to it; `fails`: the stage that raises `error_kind`."""

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
        with Fake.lock:
            Fake.under_way += self.need
            Fake.most = max(Fake.most, Fake.under_way)
        self.stage("read")

    def work(self) -> Iterator[None]:
        self.stage("work")
        yield
        self.stage("more")

    def write(self) -> None:
        with Fake.lock:
            Fake.under_way -= self.need
        self.stage("write")


def go(tasks: list[Fake], workers: int = 3, memory: int = 1 << 20) -> list[Fake]:
    Fake.under_way = Fake.most = 0
    with ThreadPipeline[Fake](workers, memory) as engine:
        done = list(engine.run(tasks))
    assert not any(thread.is_alive() for thread in engine.threads)
    return done


def test_every_task_goes_through_every_stage_once() -> None:
    done = go([Fake(number) for number in range(200)])
    assert sorted(task.number for task in done) == list(range(200))
    assert all(task.stages == ["read", "work", "more", "write"] for task in done)


@pytest.mark.parametrize("stage", ["read", "work", "more"])
def test_what_a_stage_raises_is_the_tasks_own(stage: str) -> None:
    tasks = [Fake(number, stage if number == 5 else "") for number in range(9)]
    assert len(go(tasks)) == 9
    assert isinstance(tasks[5].error, ValueError)
    assert tasks[5].stages[-2:] == [stage, "write"]
    assert all(task.error is None for task in tasks if task.number != 5)


@pytest.mark.parametrize(("stage", "kind"), [("read", SetupError), ("work", SetupError), ("write", OSError)])
def test_what_concerns_all_ends_the_run(stage: str, kind: type[Exception]) -> None:
    def lone(number: int) -> Fake:
        return Fake(number, stage if number == 5 else "", kind)

    with pytest.raises(kind, match=stage):
        go([lone(number) for number in range(10_000)])


def test_what_the_source_of_tasks_raises_ends_the_run() -> None:
    def tasks() -> Iterator[Fake]:
        yield Fake(0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), ThreadPipeline[Fake](2, 10) as engine:
        list(engine.run(tasks()))


@pytest.mark.parametrize("memory", [1, 10, 25])
def test_tasks_under_way_stay_within_the_memory(memory: int) -> None:
    needs = [1 + 7 * number % 12 for number in range(100)]
    assert len(go([Fake(number, need=need) for number, need in enumerate(needs)], 4, memory)) == 100
    assert Fake.most <= max(memory, 12)  # what is larger than all of it runs alone


def test_leaving_early_gives_up_what_is_left() -> None:
    tasks = [Fake(number) for number in range(10_000)]
    with ThreadPipeline[Fake](2, 1 << 20) as engine:
        next(engine.run(tasks))
    assert not any(thread.is_alive() for thread in engine.threads)
    assert sum(bool(task.stages) for task in tasks) < 10_000


@pytest.mark.parametrize(("text", "size"), [("4G", 4 << 30), ("1.5g", 3 << 29), ("500M", 500 << 20), ("64KiB", 1 << 16)])
def test_memory_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size
    assert parse_size(None) > 1 << 28


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


FACES = 28  # of the eight photos in `together`


def answers(faces: list[Tensor]) -> list[RestoredFace]:
    return [RestoredFace(face, 1, 0) for face in faces]


class Recorder:
    """A network that doubles and notes its batches."""

    batch_size = 4

    def __init__(self, error: Exception | None = None) -> None:
        self.sizes: list[int] = []
        self.error = error

    def __call__(self, crops: Sequence[FaceCrop]) -> list[RestoredFace]:
        self.sizes.append(len(crops))
        if self.error is not None:
            raise self.error
        return answers([crop.image * 2 for crop in crops])


def together(network: Recorder, size: int) -> list[list[RestoredFace]]:
    """What eight photos with 0 to 7 faces get back when all ask at once."""
    photos = [[FaceCrop(torch.tensor([10.0 * photo + number])) for number in range(photo)] for photo in range(8)]
    results: list[Any] = [None] * 8
    restore = MicroBatcher(network, size)

    def ask(photo: int) -> None:
        try:
            results[photo] = restore(photos[photo])
        except RuntimeError as error:
            results[photo] = error

    threads = [threading.Thread(target=ask, args=(photo,)) for photo in range(8)]
    for thread in threads:
        thread.start()
    while size > 1 and restore.waiting.qsize() < FACES:
        time.sleep(0.001)
    with restore:
        for thread in threads:
            thread.join()
    return results


@pytest.mark.parametrize("size", [1, 4, 16])
def test_faces_of_several_photos_share_batches_of_one_size(size: int) -> None:
    network = Recorder()
    for photo, faces in enumerate(together(network, size)):
        assert [restored.face.item() for restored in faces] == [2 * (10.0 * photo + number) for number in range(photo)]
    assert set(network.sizes) == {size}
    assert len(network.sizes) == math.ceil(FACES / size)


def test_a_batch_that_fails_fails_for_each_of_its_photos() -> None:
    results = together(Recorder(RuntimeError("out of memory")), 4)
    assert all(isinstance(result, RuntimeError) for result in results[1:])


def test_faces_share_batches_only_where_their_company_does_not_matter() -> None:
    @FakeRestorer
    def by_place(crops: list[Tensor]) -> list[RestoredFace]:
        return answers([crop + 1e-7 * place for place, crop in enumerate(crops)])

    @FakeRestorer
    def by_company(crops: list[Tensor]) -> list[RestoredFace]:
        return answers([crop + torch.stack(crops).mean() for crop in crops])

    network = Recorder()
    assert is_batch_invariant(network, 4)
    assert not is_batch_invariant(by_place, 4)
    assert not is_batch_invariant(by_company, 4)
    assert micro_batch_size(network) == 4
    by_place.batch_size = 4
    assert micro_batch_size(by_place) == 1
    network.batch_size = 1
    assert micro_batch_size(network) == 1


def test_a_file_is_whole_when_two_looks_find_it_the_same(tmp_path: Path) -> None:
    arrivals = Arrivals()
    photo = PhotoFile(tmp_path / "a.png", "a.png", "a.png")
    gone = PhotoFile(tmp_path / "b.png", "b.png", "b.png")
    photo.path.write_bytes(b"1")
    assert arrivals.whole([photo, gone]) == []
    photo.path.write_bytes(b"12")
    assert arrivals.whole([photo, gone]) == []
    assert arrivals.whole([photo, gone]) == [photo]
    assert arrivals.whole([photo, gone]) == []
    photo.path.write_bytes(b"123")
    assert arrivals.whole([photo, gone]) == []
    assert arrivals.whole([photo, gone]) == [photo]


def test_the_watch_does_photos_as_they_arrive_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    content = write_photo_of_noise(tmp_path / "scan.png").read_bytes()
    half, whole = content[: len(content) // 2], content
    steps: list[tuple[str, bytes | None]] = [("a.png", whole), ("b.png", half), ("b.png", whole), ("c.png", half)]
    steps += [("", None), ("", None), ("c.png", whole), ("", None)]
    states = []

    def sleep(seconds: float) -> None:
        states.append(sorted(result_files(out)))
        if not steps:
            raise KeyboardInterrupt
        name, part = steps.pop(0)
        if part is not None:
            (source / name).write_bytes(part)

    assert run(batch_request(tmp_path), fake_upscaler, Screen(quiet=True), lambda batch: watch(batch, sleep)) == Exit.OK
    assert states[0] == []
    assert states[2] == ["a.png"]
    assert states[-1] == ["a.png", "b.png", "c.png"]
    assert [(record["input"], record["error"] is None) for record in records(tmp_path)] == [
        ("a.png", True), ("b.png", True), ("c.png", False), ("c.png", True),
    ]  # fmt: skip
