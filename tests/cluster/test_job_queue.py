"""The queue of jobs under workers that end at any moment: nothing is lost, nothing is written twice, nothing waits for ever."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from units import RECIPE, FailingStorage, full_disk, record_of, unit_photos

from laa_cli.batch.unit_manifest import begun_path, is_manifest, parse_lines, write_unit_manifest
from laa_cli.cluster.job_queue import FATAL_KILLS, Job, JobQueue
from laa_cli.cluster.unit import Action, PhotoDone, Unit
from laa_cli.cluster.unit_worker import begin
from laa_cli.errors import FileError
from laa_cli.utils.storage import FileStatus


class DictStorage(dict[str, bytes]):
    """A storage in memory, in which no manifest may be written twice."""

    def write(self, name: str, content: bytes, *, overwrite: bool) -> None:
        assert not (is_manifest(name) and name in self), name
        self[name] = content

    def status(self, name: str) -> FileStatus | None:
        return FileStatus(len(self[name]), 1) if name in self else None

    def read(self, name: str) -> bytes:
        return self[name]

    def remove(self, name: str) -> None:
        self.pop(name, None)


def queue_of(units: list[Unit], results: Any) -> JobQueue:
    return JobQueue(units, results, RECIPE, lambda name: f"s3://photos/{name}")


def units_of(*counts: int) -> list[Unit]:
    names = {number: [f"{number}-{photo}.png" for photo in range(count)] for number, count in enumerate(counts, 1)}
    return [Unit(1, number, unit_photos(*names[number])) for number in names]


def taken(jobs: JobQueue) -> Job:
    job = jobs.take()
    assert job is not None
    return job


def lines_of(results: Any, unit: Unit) -> dict[str, str | None]:
    return {line["input"]: line["error"] for line in parse_lines(results.read(f"manifest-{unit.name}.jsonl"))}


class ModelWorker:
    """A worker as the executor sees it, which may end between any two events."""

    def __init__(self, jobs: JobQueue, poisoned: set[str], chance: random.Random, machine_share: float) -> None:
        self.jobs, self.poisoned, self.chance, self.machine_share = jobs, poisoned, chance, machine_share
        self.done: list[str] = []  # photos, each time that one was
        self.failed: list[str] = []

    def do(self, job: Job) -> None:
        """Does a job, or some of it."""
        records = []
        begin(job.unit, self.jobs.results, overwrite=False)
        names = [photo.name for photo in job.unit.photos if job.only in (None, photo.name)]
        for name in names:
            if name in self.poisoned:
                if failed := self.jobs.blame(job):
                    self.failed.append(failed.record["input"])
                return
            if self.chance.random() < self.machine_share:
                self.jobs.put_back(job)
                return
            self.done.append(name)
            records.append(record_of(name))
            self.jobs.add(job, PhotoDone(records[-1]))
        if job.only is None:
            write_unit_manifest(self.jobs.results, job.unit.name, records, settled=True)
            self.jobs.finish(job)
        if self.chance.random() < self.machine_share:  # after the last event, before its end is heard of
            self.jobs.put_back(job)
        elif self.chance.random() < self.machine_share:
            assert self.jobs.blame(job) is None
        else:
            self.jobs.finish(job)


@settings(max_examples=60)
@given(counts=st.lists(st.integers(1, 5), min_size=1, max_size=4), seed=st.integers(0, 10**6), poison=st.integers(0, 3))
def test_every_photo_ends_with_one_record_and_only_poisoned_ones_fail(counts: list[int], seed: int, poison: int) -> None:
    results = DictStorage()
    units, chance = units_of(*counts), random.Random(seed)
    names = [photo.name for unit in units for photo in unit.photos]
    poisoned = set(chance.sample(names, min(poison, len(names))))
    jobs = queue_of(units, results)
    worker = ModelWorker(jobs, poisoned, chance, machine_share=0.15)
    steps = 0
    while not jobs.is_empty:
        steps += 1
        assert steps < 3000
        under_way = [job for job in (jobs.take(), jobs.take()) if job is not None]  # two workers
        chance.shuffle(under_way)
        for job in under_way:
            worker.do(job)
    jobs.close()
    found = {name: error for unit in units for name, error in lines_of(results, unit).items()}
    assert sorted(found) == sorted(names)
    assert {name for name, error in found.items() if error is not None} == poisoned == set(worker.failed)
    assert Counter(worker.failed).total() == len(poisoned)
    assert sorted(results) == [f"manifest-{unit.name}.jsonl" for unit in units]  # and nothing that says that one was begun


def test_a_photo_that_ends_workers_is_named_and_is_final() -> None:
    [unit] = units_of(1)
    results = DictStorage()
    jobs = queue_of([unit], results)
    assert jobs.blame(taken(jobs)) is None  # the unit
    for kill in range(FATAL_KILLS):
        done = jobs.blame(taken(jobs))
        assert (done is None) == (kill + 1 < FATAL_KILLS)
    assert done is not None
    assert "ended 2 times on s3://photos/1-0.png alone" in (done.record["error"] or "")
    assert (done.record["recipe"], done.record["size"]) == (RECIPE.digest(failed=True), 5)
    assert jobs.is_empty
    assert list(lines_of(results, unit)) == ["1-0.png"]


def test_a_unit_whose_machine_went_is_the_next_one() -> None:
    units = units_of(2, 2)
    jobs = queue_of(units, DictStorage())
    job = jobs.take()
    assert job is not None
    jobs.put_back(job)
    assert jobs.take() == job == Job(units[0])
    assert not jobs.is_empty


@pytest.mark.parametrize("end", [JobQueue.put_back, JobQueue.blame])
def test_what_is_over_is_not_done_again(end: Any) -> None:
    """Its worker ended after the last record was heard of, and before its end was."""
    [unit] = units_of(1)
    jobs = queue_of([unit], DictStorage())
    jobs.blame(taken(jobs))
    job = taken(jobs)
    assert jobs.add(job, PhotoDone(record_of("1-0.png")))
    end(jobs, job)
    assert jobs.is_empty


@pytest.mark.parametrize("done", [0, 2])
def test_the_end_writes_what_was_done_and_forgets_nothing_of_what_was_begun(done: int) -> None:
    """An earlier attempt at the whole unit may have written results of photos that are still open."""
    [unit] = units_of(3)
    results = DictStorage()
    begin(unit, results, overwrite=False)
    jobs = queue_of([unit], results)
    jobs.blame(taken(jobs))
    for _ in range(done):
        job = taken(jobs)
        jobs.add(job, PhotoDone(record_of(job.only)))
    jobs.close()
    assert len(lines_of(results, unit)) == done
    assert results.status(begun_path(unit.name)) is not None


def test_a_result_of_a_photo_that_failed_later_is_not_forgotten() -> None:
    """The first attempt wrote it, and then the photo ended two workers."""
    [unit] = units_of(1)
    results = DictStorage()
    begin(unit, results, overwrite=False)
    results.write("1-0.png", b"by the first attempt", overwrite=True)
    jobs = queue_of([unit], results)
    while (job := jobs.take()) is not None:
        jobs.blame(job)
    assert list(lines_of(results, unit).values()) != [None]
    assert results.status(begun_path(unit.name)) is not None


def test_units_with_records_can_be_jobs() -> None:
    photos = unit_photos("a.png", action=Action.RECHECK, manifest="manifest.jsonl")
    jobs = queue_of([Unit(1, 1, photos)], DictStorage())
    jobs.blame(taken(jobs))
    jobs.add(taken(jobs), PhotoDone(record_of("a.png")))
    assert jobs.is_empty


def test_a_manifest_that_cannot_be_written_is_an_error_of_ours() -> None:
    units = units_of(1, 1)
    results = FailingStorage(DictStorage(), 0, full_disk)
    jobs = queue_of(units, results)
    for _ in units:
        jobs.blame(taken(jobs))
    with pytest.raises(FileError, match="No space left"):
        jobs.add(taken(jobs), PhotoDone(record_of("1-0.png")))
