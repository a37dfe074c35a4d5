"""The summary of a run of `laa batch`: counts, pace, and the photos that failed."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..console import Screen
from ..errors import Exit, exit_code
from ..options import PLAIN
from ..restore.records import restored_faces
from .schema import ManifestRecord


@dataclass
class Counts:
    """What became of the photos. `failures`: reasons by name, of this run and of earlier ones.

    `unreadable`: folders that could not be read when they were last looked at, and why.
    """

    done: int = 0
    skipped: int = 0
    ignored: int = 0
    faces: int = 0
    restored: int = 0
    left_out: int = 0  # photos of this run whose metadata was not kept as a whole
    plain: int = 0  # photos of this run whose background no network enlarged
    failures: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, record: ManifestRecord) -> None:
        """Adds a photo of this run."""
        if record["error"] is not None:
            self.failures[record["input"]] = record["error"]
            return
        self.failures.pop(record["input"], None)
        self.done += 1
        self.faces += len(record["faces"])
        self.restored += len(restored_faces(record["faces"]))
        self.left_out += bool(record.get("left_out"))
        self.plain += record["background"] == PLAIN

    def add_earlier(self, done: int, failed: list[ManifestRecord]) -> None:
        """Adds the photos that an earlier run has done, and those that failed there."""
        self.skipped += done
        self.failures |= {record["input"]: record["error"] or "" for record in failed}

    @property
    def exit_code(self) -> Exit:
        """The exit code of the run."""
        return exit_code(self.done + self.skipped, [Exit.FAILED] * (len(self.failures) + len(self.unreadable)))

    def show(self, screen: Screen) -> None:
        """Shows the table, and a line for each failure, with its reason."""
        rows = {
            "photos done": f"{self.done}",
            "done before": f"{self.skipped}",
            "failed": f"{len(self.failures)}",
            "other files": f"{self.ignored}",
            "faces found": f"{self.faces}",
            "faces restored": f"{self.restored}",
            "metadata left out": f"{self.left_out}",
            "seconds": f"{self.seconds:.1f}",
        }
        if self.seconds and self.done:
            rows["photos/s"] = f"{self.done / self.seconds:.1f}"
        if self.unreadable:
            rows["folders not read"] = f"{len(self.unreadable)}"
        screen.table("summary", ("", ">"), rows.items())
        for name, reason in sorted((self.failures | self.unreadable).items()):
            screen.say(f"failed: {name}: {reason}")
