"""A command line of laa's, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ADDRESS_SPACE_BYTES = 16 << 30  # beyond what a fork begins with: so that no case takes the machine down

BROKEN_PIPE, CLOSED = Path("a pipe that nobody reads"), Path("a closed descriptor")  # for Command.stdout


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command line, where it runs, and what is done to it meanwhile. `kill`: a signal and after how many seconds."""

    arguments: tuple[str, ...]
    folder: Path
    sandbox: Path  # what may be written to
    temporary: Path
    stdin: bytes | None = None
    stdout: Path | None = None  # a device in the place of a kept file, or one of those above
    kill: tuple[int, float] | None = None
    columns: int = 80
    address_space: int = ADDRESS_SPACE_BYTES
    patience: float = 0.0  # seconds beyond the worker's time-out: for pictures that are large, not only said to be
    prepare: Callable[[], None] | None = None  # called in the fork before laa is


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a command. `code` is negative where a signal ended it; `outside`: what it wrote beyond its sandbox."""

    command: Command
    code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    peak_bytes: int
    hung: bool = False
    outside: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Both streams as text."""
        return (self.stdout + b"\n" + self.stderr).decode(errors="surrogateescape")

    @property
    def errors(self) -> list[str]:
        """The lines of stderr that are errors."""
        lines = self.stderr.decode(errors="surrogateescape").splitlines()
        return [line for line in lines if line.startswith("error: ")]
