"""A case of the hard test: a sandbox, commands run in it, and the faults that were found."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Protocol

from PIL import Image

from .command import ADDRESS_SPACE_BYTES, Command, Outcome
from .judges import PEAK_BYTES, Fault, judge_exit_code, judge_files, judge_outcome, judge_results
from .sandbox import Sandbox, compare

LARGEST_MEGAPIXELS, SECONDS_PER_MEGAPIXEL, BYTES_PER_MEGAPIXEL = 64, 5, 60_000_000

Run = Callable[[Command], Outcome]


class Fixtures(Protocol):
    """What cases of a kind share, made once: see `fixtures.py`."""

    def get(self, name: str) -> Path:
        """The folder of a fixture."""


@dataclass
class Case:
    """One case. All that it does is decided by `random`; `files`: how many hostile files it has tried."""

    kind: str
    number: int
    random: Random
    sandbox: Sandbox
    execute: Run
    fixtures: Fixtures
    faults: list[Fault] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    files: int = 0
    notes: list[str] = field(default_factory=list)  # what was done to the files

    def fault(self, judge: str, detail: str) -> None:
        """Notes a fault."""
        self.faults.append(Fault(judge, detail))

    def run(
        self,
        *arguments: str | Path,
        outputs: list[Path] | None = None,
        photos: dict[Path, Path] | None = None,
        stdin: bytes | None = None,
        stdout: Path | None = None,
        kill: tuple[int, float] | None = None,
        peak_bytes: int = PEAK_BYTES,
        columns: int = 80,
        address_space: int = ADDRESS_SPACE_BYTES,
    ) -> Outcome:
        """Runs a command in `work` and judges it.

        `outputs`: the files and folders that it may write. `photos`: the results that are expected, by their photos; they
        decide on the exit code. `stdin`, `stdout`, `kill`, `columns`, `address_space`: see `command.Command`.
        """
        outputs = [*(outputs or []), *(photos or {}).values()]
        before = self.sandbox.snapshot()
        megapixels = large_megapixels(self.sandbox.source)
        command = Command(
            arguments=tuple(map(str, arguments)),
            folder=self.sandbox.work,
            sandbox=self.sandbox.folder,
            temporary=self.sandbox.temporary,
            stdin=stdin,
            stdout=stdout,
            kill=kill,
            columns=columns,
            address_space=address_space,
            patience=SECONDS_PER_MEGAPIXEL * megapixels,
        )
        outcome = self.execute(command)
        self.outcomes.append(outcome)
        differences = compare(before, self.sandbox.snapshot())
        binary = "-" in command.arguments or "-o-" in command.arguments
        self.faults += judge_outcome(outcome, peak_bytes + int(BYTES_PER_MEGAPIXEL * megapixels), binary_stdout=binary)
        self.faults += judge_files(differences, self.sandbox, outcome, outputs)
        self.faults += judge_results(differences, outputs)
        if photos is not None:
            changed = {difference.path for difference in differences if difference.what != "removed"}
            done = [path for path in photos.values() if os.path.lexists(path) and path in changed]
            self.faults += judge_exit_code(outcome, list(photos.values()), done, [source.name for source in photos])
        return outcome


def large_megapixels(folder: Path) -> float:
    """Counts the megapixels of AVIF and WebP pictures in a folder, which need time and memory: few bytes can hold many."""
    megapixels = 0.0
    for path in folder.rglob("*"):
        try:
            if not path.is_file():
                continue
            with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
                megapixels += image.width * image.height / 1e6 if image.format in ("AVIF", "WEBP") else 0
        except Exception:  # whatever the picture is, laa has to say so
            continue
    return min(megapixels, LARGEST_MEGAPIXELS)
