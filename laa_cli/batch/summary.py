"""What is said of a run as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..console import Screen
from ..errors import Exit
from .manifest import Record


@dataclass
class Counts:
    """What became of the photos. `failures`: reasons by name, of this run and of earlier ones."""

    done: int = 0
    skipped: int = 0
    ignored: int = 0
    faces: int = 0
    restored: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, record: Record) -> None:
        """Adds a photo of this run."""
        if record["error"] is not None:
            self.failures[record["input"]] = record["error"]
            return
        self.failures.pop(record["input"], None)
        self.done += 1
        self.faces += len(record["faces"])
        self.restored += sum(face["action"] == "restored" for face in record["faces"])

    @property
    def exit_code(self) -> Exit:
        """The exit code."""
        if not self.failures:
            return Exit.OK
        return Exit.PARTLY if self.done + self.skipped else Exit.FAILED

    def show(self, screen: Screen) -> None:
        """The table, and each failure with its reason."""
        pace = f", {self.done / self.seconds:.1f} photos/s" if self.seconds and self.done else ""
        rows = {
            "photos done": f"{self.done}",
            "done before": f"{self.skipped}",
            "failed": f"{len(self.failures)}",
            "other files": f"{self.ignored}",
            "faces found": f"{self.faces}",
            "faces restored": f"{self.restored}",
            "time": f"{self.seconds:.1f} s{pace}",
        }
        screen.table("summary", ("", ">"), rows.items())
        if self.failures:
            screen.table("failed", ("photo", "why"), sorted(self.failures.items()))
