"""The contract of what runs units, and the executor of this process alone."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from types import TracebackType
from typing import Protocol, Self

from ..batch.executor import usable_cpus
from ..batch.manifest import Recipe
from ..errors import SetupError
from .unit import Event, Fatal, Unit
from .unit_worker import UnitWorker
from .worker_settings import WorkerSettings

Events = Generator[tuple[Unit, Event], None, None]
Tick = Callable[[], None]  # called about once a second while units run; what it raises ends the run


class UnitExecutor(Protocol):
    """Runs units, in a `with` block whose end waits for the photos under way and the manifests of their units.

    `workers`: how many units are under way at once; `cpus`: how many photos of each.
    """

    workers: int
    cpus: int

    def connect(self, settings: WorkerSettings) -> Recipe:
        """Asks every machine what it would make results with. LaaError where there is none, or they differ. Comes first."""

    def run(self, units: list[Unit], tick: Tick) -> Events:
        """Yields what becomes of the units, in any order; a photo may come twice, where its worker was ended.

        SetupError where nothing more can be done.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class InProcess:
    """The executor of one machine: units one after the other, their photos side by side."""

    workers = 1

    def __init__(self) -> None:
        self.cpus = usable_cpus()

    def connect(self, settings: WorkerSettings) -> Recipe:
        self.worker = UnitWorker(settings.with_cpus(self.cpus))
        return self.worker.recipe

    def run(self, units: list[Unit], tick: Tick) -> Events:
        for unit in units:
            with closing(self.worker.run(unit)) as events:
                for event in events:
                    if isinstance(event, Fatal):
                        raise SetupError(event.message, event.code)
                    yield unit, event
                    tick()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing is under way: a generator that is left closes what it runs."""
