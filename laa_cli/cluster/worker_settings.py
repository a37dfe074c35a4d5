"""What every worker of a run is told, and what it answers: the recipe that its machine would follow, for there to be one."""

from __future__ import annotations

import platform
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from .. import __version__
from ..batch.executor import parse_size, usable_cpus
from ..batch.manifest import Recipe
from ..batch.openvino_choice import prefer_openvino
from ..errors import LaaError, SetupError
from ..options import ModelOptions, Options
from ..photo.signing import Signer, load_signer
from ..upscale import Upscaler
from ..utils.leases import read_holder
from ..utils.storage import Storage
from ..utils.url_storage import open_storage

Load = Callable[[ModelOptions, Callable[[str], None]], Upscaler]


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """What a worker does with photos, and how. It travels to other machines, `with_absolute_paths`; nothing in it is loaded.

    `source`, `out`: folders or URLs. `cpus`: photos side by side. `memory`: as `parse_size` takes it; None: this worker's share
    of half of its machine's. `photos`, `earlier_runtime`: what `prefer_openvino` goes by. `token`: of the run's lock on `out`.
    """

    source: str
    out: str
    options: Options
    models: ModelOptions
    strip_metadata: bool = False
    require_face: bool = False
    persons: tuple[str, ...] = ()
    mark: bool = True
    certificate: Path | None = None
    key: Path | None = None
    overwrite: bool = False
    report: bool = False
    prove: bool = False
    cpus: int = 1
    memory: str | None = None
    photos: int = 0
    earlier_runtime: str | None = None
    token: str = ""
    load: Load = Upscaler.from_options

    def open(self) -> tuple[Storage, Storage]:
        """Opens the photos and the results. Raises UsageError where a package for them is missing."""
        return open_storage(self.source), open_storage(self.out)

    def with_cpus(self, cpus: int) -> WorkerSettings:
        """The same for a worker of so many CPUs."""
        return replace(self, cpus=cpus)

    def with_absolute_paths(self) -> WorkerSettings:
        """The same for a worker that begins in another folder."""
        weights, background = self.models.weights, self.models.background_file
        models = replace(
            self.models,
            weights=weights and weights.absolute(),
            background=str(background.absolute()) if background else self.models.background,
        )
        certificate, key = (path and path.absolute() for path in (self.certificate, self.key))
        return replace(self, models=models, certificate=certificate, key=key)

    @property
    def memory_bytes(self) -> int:
        """What the photos under way in this worker may take."""
        if self.memory is not None:
            return parse_size(self.memory)
        return parse_size(None) * min(self.cpus, usable_cpus()) // usable_cpus()

    def signer(self) -> Signer | None:
        """Loads who signs, if anybody does. Raises LaaError."""
        return load_signer(self.certificate, self.key)

    def settled_models(self) -> ModelOptions:
        """Replaces the device AUTO where another than torch's pays on this machine."""
        return prefer_openvino(self.models, self.photos, self.earlier_runtime)

    def recipe(self) -> Recipe:
        """Reads and hashes this machine's weights. Raises LaaError where they cannot be read."""
        signer = self.signer()
        return Recipe.of(
            self.options,
            self.settled_models(),
            strip_metadata=self.strip_metadata,
            require_face=self.require_face,
            persons=self.persons,
            mark=self.mark,
            signer=signer.identity.digest if signer else "",
        )


@dataclass(frozen=True)
class MachineReport:
    """What a machine would make results with. `error`: why it cannot; there is no recipe then."""

    machine: str
    versions: dict[str, str]
    recipe: Recipe | None = None
    error: str = ""

    @classmethod
    def of_this(cls, settings: WorkerSettings) -> MachineReport:
        """Looks at this machine, which has to see the same results, too."""
        machine = socket.gethostname()
        versions = {"laa": __version__, "torch": torch.__version__, "python": platform.python_version()}
        try:
            check_sees_results(settings)
            return cls(machine, versions, settings.recipe())
        except LaaError as error:
            return cls(machine, versions, error=error.for_command_line())

    def facts(self) -> dict[str, str]:
        """All that has to be the same on every machine, by names for people."""
        if self.recipe is None:
            raise SetupError(f"{self.machine} cannot take part: {self.error}")
        recipe = self.recipe.to_dict()
        models = {"weights": recipe["weights"], "background weights": recipe["background_weights"]}
        options = {name: value for name, value in recipe["options"].items() if name in ("precision", "runtime", "signer")}
        return {name: str(value) for name, value in (self.versions | models | options).items()}


def check_sees_results(settings: WorkerSettings) -> None:
    """Raises LaaError where a machine does not see the folder of results that the run has locked."""
    _, results = settings.open()
    try:
        holder = read_holder(results) if settings.token else None
    except OSError as error:
        raise LaaError(f"it cannot read the results in {results.place}: {error.strerror or error}") from error
    if settings.token and (holder is None or holder.token != settings.token):
        raise LaaError(f"it does not see the results in {results.place}: use a folder that all machines share, or a URL")


def check_same(reports: list[MachineReport]) -> Recipe:
    """Returns the recipe of all machines. SetupError that names the machine and the difference where there are several."""
    check_versions([(report.machine, report.facts()) for report in reports])
    assert reports[0].recipe is not None  # it has facts
    return reports[0].recipe


def check_versions(machines: list[tuple[str, dict[str, str]]]) -> None:
    """Compares what machines have, by their names. SetupError that names one that has something else than the first."""
    first, mine = machines[0]
    for machine, theirs in machines:
        for name, value in mine.items():
            if theirs.get(name) != value:
                difference = f"{first} has {name} {value}, {machine} has {theirs.get(name)}"
                raise SetupError(f"the machines would make different results: {difference}: install the same on all of them")
