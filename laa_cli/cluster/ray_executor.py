"""The executor of a cluster: Ray Core starts, restarts and watches the workers; only units and records travel, never pixels."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from ..batch.manifest import Recipe
from ..errors import LaaError, SetupError, UsageError
from ..utils.storage import Storage
from .executors import Events, Tick
from .job_queue import Job, JobQueue
from .ray_nodes import fitting_nodes, import_ray, live_resources, name_of, named, probe, settle_share, start_ray
from .unit import Event, Fatal, PhotoDone, Unit, UnitDone
from .unit_worker import UnitWorker
from .worker_settings import MachineReport, WorkerSettings, check_same

POLL_S = 1.0
PATIENCE_S = 30.0  # without any worker, before a person is told


@contextmanager
def lost_cluster() -> Iterator[None]:
    """Says what it means where Ray itself fails, as it does when the machine with its head is gone. Raises SetupError."""
    import ray

    try:
        yield
    except (ray.exceptions.RayError, ConnectionError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise SetupError(f"the Ray cluster is lost: {reason}: look at `ray status`, then run the same command again") from error


class ActorWorker(UnitWorker):
    """A worker that is a Ray actor."""

    def report(self) -> tuple[str, MachineReport]:
        """Names its node, and looks at the machine."""
        import ray

        return ray.get_runtime_context().get_node_id(), self.describe()


@dataclass(eq=False)
class Actor:
    """A worker on the cluster. `node`: where it was last; `suspect`: the job that was under way when its process ended."""

    handle: Any
    node: str = ""
    is_idle: bool = False
    suspect: Job | None = None


@dataclass(frozen=True, kw_only=True)
class RayOptions:
    """`address`: as `ray.init` takes it, or "local". `actors`: how many workers; None: as many as the cluster has room for now.

    `cpus`, `gpus`: what each takes of its machine; None: chosen by what there is.
    """

    address: str
    actors: int | None = None
    cpus: int | None = None
    gpus: float | None = None

    def __post_init__(self) -> None:
        """Checks what can be checked without Ray. Raises UsageError."""
        if self.address.startswith("ray://"):
            raise UsageError(
                f"ray cannot be {self.address}: run laa on a machine of the cluster (ray job submit), with auto", "ray"
            )
        for value, name in ((self.actors, "actors"), (self.cpus, "actor_cpus")):
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1, not {value}", name)
        if self.gpus is not None and self.gpus < 0:
            raise UsageError(f"actor_gpus must be 0 or more, not {self.gpus:g}", "actor_gpus")


class RayExecutor:
    """Runs units on actors, one at a time on each."""

    def __init__(self, options: RayOptions, results: Storage, notice: Callable[[str], None]) -> None:
        self.options = options
        self.results = results
        self.notice = notice
        self.workers = self.cpus = 0
        self.actors: list[Actor] = []
        self.calls: dict[Any, tuple[Actor, Job | None]] = {}  # what is awaited: a job's events, or a started worker's report
        self.last_idle_s = time.monotonic()

    def connect(self, settings: WorkerSettings) -> Recipe:
        self.share = settle_share(self.options.cpus, self.options.gpus, settings.models.device)
        self.cpus = self.share.cpus
        self.settings = settings.with_absolute_paths().with_cpus(self.cpus)
        self.workers = self.options.actors or sum(fitting_nodes(self.share).values())
        reports = probe(self.settings, self.share, self.notice)
        self.recipe = check_same(reports)
        self.reference = reports[0]
        return self.recipe

    def run(self, units: list[Unit], tick: Tick) -> Events:
        self.jobs = JobQueue(units, self.results, self.recipe, self.settings.open()[0].locate)
        for _ in range(min(self.workers, len(units))):
            self.start_actor()
        while not self.jobs.is_empty:
            with lost_cluster():
                self.assign()
                yield from self.receive()
                self.release_suspects()
            tick()

    # Workers

    def start_actor(self) -> None:
        """Asks Ray for a worker, which comes when there is room for it, and comes again when its process has ended."""
        import ray

        share = {"num_cpus": self.share.cpus, "num_gpus": self.share.gpus}
        remote = ray.remote(ActorWorker).options(**share, max_restarts=-1, max_concurrency=2)  # `stop` comes during `run`
        actor = Actor(remote.remote(self.settings))
        self.actors.append(actor)
        self.await_report(actor)

    def await_report(self, actor: Actor) -> None:
        """Asks a worker about its machine: it answers when it has started, however often Ray has to start it."""
        self.calls[actor.handle.report.options(max_task_retries=-1).remote()] = (actor, None)

    def welcome(self, actor: Actor, node: str, report: MachineReport) -> Events:
        """Takes a worker that has started, or started again. One that would make other results is sent away."""
        yield from self.settle_suspect(actor)
        actor.node, actor.is_idle = node, True
        try:
            check_same([self.reference, named(report, node)])
        except SetupError as error:
            self.dismiss(actor, error)

    def dismiss(self, actor: Actor, error: SetupError) -> None:
        """Goes on without a worker. SetupError where it was the last."""
        import ray

        self.actors.remove(actor)
        ray.kill(actor.handle)
        if not self.actors:
            raise error
        self.notice(f"going on without {name_of(actor.node)}: {error}")

    def settle_suspect(self, actor: Actor) -> Events:
        """Decides what ended a worker's process, now that it is known: its machine, or its job."""
        job, actor.suspect = actor.suspect, None
        if job is None:
            return
        if actor.node not in live_resources():
            self.jobs.put_back(job)
            return
        self.notice(f"a worker on {name_of(actor.node)} ended while it worked on unit {job.unit.name}")
        done = self.jobs.blame(job)
        if done is not None:
            yield job.unit, done
            if job.unit.name not in self.jobs.splits:
                yield job.unit, UnitDone(True)

    def release_suspects(self) -> None:
        """Gives back the jobs of workers whose machines went, for the workers may never come again."""
        if any(actor.suspect for actor in self.actors):
            nodes = live_resources()
            for actor in self.actors:
                if actor.suspect is not None and actor.node not in nodes:
                    self.jobs.put_back(actor.suspect)
                    actor.suspect = None

    def check_patience(self) -> None:
        """Says once in a while that there is no worker."""
        if any(actor.node in live_resources() for actor in self.actors):
            self.last_idle_s = time.monotonic()
        elif time.monotonic() - self.last_idle_s > PATIENCE_S:
            self.last_idle_s = time.monotonic()
            self.notice(f"waiting for room on the cluster for a worker of {self.share.cpus} CPUs: see `ray status`")

    # Jobs

    def assign(self) -> None:
        """Gives every idle worker a job, while there are some."""
        for actor in self.actors:
            if not actor.is_idle:
                continue
            job = self.jobs.take()
            if job is None:
                return
            actor.is_idle = False
            events = actor.handle.run.options(num_returns="streaming").remote(job.unit, job.only)
            self.calls[events] = (actor, job)

    def receive(self) -> Events:
        """Waits for the next event of any worker, a second at most."""
        import ray

        ready, _ = ray.wait(list(self.calls), num_returns=1, timeout=POLL_S)
        if not ready:
            self.check_patience()
        for call in ready:
            actor, job = self.calls[call]
            if job is None:
                del self.calls[call]
                yield from self.welcome(actor, *ray.get(call))
            else:
                yield from self.next_event(call, actor, job)

    def next_event(self, call: Any, actor: Actor, job: Job) -> Events:
        """Takes a job's next event. SetupError where that ends the run."""
        import ray

        try:
            event = ray.get(next(call))
        except StopIteration:
            del self.calls[call]
            self.jobs.finish(job)
            actor.is_idle = True
        except ray.exceptions.RayActorError:
            del self.calls[call]
            actor.suspect = job
            self.await_report(actor)
        else:
            yield from self.pass_on(job, event)

    def pass_on(self, job: Job, event: Event) -> Events:
        """Passes an event on. Of a unit that is done photo by photo the end is known only here."""
        if isinstance(event, Fatal):
            raise SetupError(event.message, event.code)
        if isinstance(event, UnitDone):
            self.jobs.finish(job)  # whatever becomes of its worker
        if job.only is None or not isinstance(event, UnitDone):
            yield job.unit, event
        if isinstance(event, PhotoDone) and self.jobs.add(job, event):
            yield job.unit, UnitDone(True)

    # The end

    def __enter__(self) -> Self:
        start_ray(self.options.address)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Lets the photos under way end, and the manifests of their units be written."""
        ray = import_ray()
        try:
            self.drain()
        finally:
            ray.shutdown()

    def drain(self) -> None:
        """Stops the workers that are under way, and waits for them; what a worker that dies meanwhile had is done again."""
        import ray

        busy = {call: (actor, job) for call, (actor, job) in self.calls.items() if job is not None}
        for actor, _ in busy.values():
            actor.handle.stop.remote()
        for call, (_, job) in busy.items():
            with suppress(ray.exceptions.RayError):
                for reference in call:
                    event = ray.get(reference)
                    if isinstance(event, PhotoDone):
                        self.jobs.add(job, event)
        with suppress(LaaError):
            if self.actors:
                self.jobs.close()
