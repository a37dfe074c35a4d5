"""A photo as a task: the memory it takes, and what another executor needs of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from fakes import FakeBackground, fake_upscaler, records, refuse_to_load, result_files, run_batch, write_photo_of_noise

from laa_cli.batch.executor import Executor
from laa_cli.batch.run import BatchRequest
from laa_cli.batch.task import PhotoTask
from laa_cli.errors import Exit, LaaError
from laa_cli.photo import limits
from laa_cli.process import process


class ElsewhereExecutor:
    """An executor that sends a photo's bytes and request away, and takes the result back."""

    def run(self, tasks: Iterable[PhotoTask]) -> Iterator[PhotoTask]:
        for task in tasks:
            try:
                task.accept(process(task.read_file(), task.request, fake_upscaler))
            except LaaError as error:
                task.error = error
            task.write()
            yield task

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def test_another_executor_gives_the_same_results_and_records(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make_executor(request: BatchRequest) -> Executor[PhotoTask]:
        return ElsewhereExecutor()

    (folder / "in" / "bad.jpg").write_bytes(b"no photo")
    assert run_batch(folder, report=True) == Exit.PARTLY
    expected = result_files(folder / "out"), {record["input"]: list(record) for record in records(folder)}
    monkeypatch.setattr("laa_cli.batch.run.make_executor", make_executor)
    (folder / "out").rename(folder / "before")
    assert run_batch(folder, report=True) == Exit.PARTLY
    assert (result_files(folder / "out"), {record["input"]: list(record) for record in records(folder)}) == expected


def test_the_memory_of_a_photo_is_estimated_from_its_header(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: dict[str, int] = {}

    class Sizes(ElsewhereExecutor):
        def run(self, tasks: Iterable[PhotoTask]) -> Iterator[PhotoTask]:
            for task in tasks:
                sizes[task.source.name] = task.size()
            return iter(())

    (folder / "in" / "bad.jpg").write_bytes(b"no photo")
    write_photo_of_noise(folder / "in" / "large.png", size=(4000, 1000))
    monkeypatch.setattr("laa_cli.batch.run.make_executor", lambda request: Sizes())
    run_batch(folder)
    assert sizes["bad.jpg"] == len(b"no photo")
    assert sizes["large.png"] > 4_000_000 * (3 + 4 * 3)  # the photo and, twice as large, the result alone


def test_the_background_counts_into_the_memory_of_a_photo(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    class Sizes(ElsewhereExecutor):
        def run(self, tasks: Iterable[PhotoTask]) -> Iterator[PhotoTask]:
            sizes.append(min(task.size() for task in tasks))
            return iter(())

    monkeypatch.setattr("laa_cli.batch.run.make_executor", lambda request: Sizes())
    for peak in (0, 10**10):
        run_batch(folder, lambda: fake_upscaler(FakeBackground(peak=peak)))  # noqa: B023
    assert sizes[0] < 10**9
    assert sizes[1] > 10**10


def test_a_photo_is_refused_by_its_header_where_the_background_takes_too_much(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "available_bytes", lambda: 1 << 33)
    monkeypatch.setattr("laa_cli.process.read_photo", refuse_to_load)
    assert run_batch(folder, lambda: fake_upscaler(FakeBackground(peak=10**10))) == Exit.FAILED
    assert all("needs about 10.0 GB" in record["error"] for record in records(folder))
    assert {record["recipe"] for record in records(folder)} == {None}


def test_a_photo_that_memory_does_not_suffice_for_is_tried_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ALWAYS_TRIED_BYTES", 0)
    with monkeypatch.context() as tight:
        tight.setattr(limits, "available_bytes", lambda: 1 << 20)
        assert run_batch(folder) == Exit.FAILED
    assert {record["recipe"] for record in records(folder)} == {None}
    assert all("which needs about" in record["error"] for record in records(folder))
    monkeypatch.setattr(limits, "available_bytes", lambda: 1 << 33)
    assert run_batch(folder, report=True) == Exit.OK
