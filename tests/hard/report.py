"""What a run found: a line for each fault as it comes, its case kept in a folder, and tables at the end."""

from __future__ import annotations

import shlex
import shutil
import time
from collections import Counter
from pathlib import Path

from .case import Case

KEPT = 10  # cases of each kind and judge
SHOWN = 40  # faults in the list at the end


class Report:
    """Counts cases, files and faults; keeps the cases of faults in `keep`."""

    def __init__(self, seed: int, keep: Path | None) -> None:
        self.seed = seed
        self.keep = keep
        self.started = time.monotonic()
        self.cases: Counter[str] = Counter()
        self.commands: Counter[str] = Counter()
        self.files: Counter[str] = Counter()
        self.found: Counter[tuple[str, str]] = Counter()  # kind, judge
        self.bad_cases: Counter[str] = Counter()
        self.peak_bytes = 0
        self.slowest = 0.0

    @property
    def faults(self) -> int:
        """How many there were."""
        return sum(self.found.values())

    def add(self, case: Case) -> None:
        """Counts a case; prints and keeps its faults."""
        self.cases[case.kind] += 1
        self.files[case.kind] += case.files
        self.commands[case.kind] += len(case.outcomes)
        for outcome in case.outcomes:
            self.peak_bytes = max(self.peak_bytes, outcome.peak_bytes)
            self.slowest = max(self.slowest, outcome.seconds)
        if not case.faults:
            return
        self.bad_cases[case.kind] += 1
        for fault in case.faults:
            print(f"case {case.number}  {case.kind}  {fault.judge}: {shorten(fault.detail, case)}", flush=True)
        if self.keep and any(self.found[case.kind, fault.judge] < KEPT for fault in case.faults):
            keep_case(case, self.keep / f"seed{self.seed}-case{case.number}-{case.kind.replace(' ', '-')}", self.seed)
        self.found.update((case.kind, fault.judge) for fault in case.faults)

    def show(self) -> None:
        """Prints the tables."""
        seconds = time.monotonic() - self.started
        total = sum(self.cases.values())
        print(f"\nseed {self.seed}: {total} cases in {seconds:.0f} s, {total / max(seconds, 1e-9):.2f} a second")
        print(f"slowest command {self.slowest:.1f} s, peak memory {self.peak_bytes / 2**20:.0f} MiB beyond the worker's\n")
        print(f"{'kind':24} {'cases':>7} {'files':>7} {'commands':>9} {'with faults':>12}")
        for kind in sorted(self.cases):
            print(f"{kind:24} {self.cases[kind]:7} {self.files[kind]:7} {self.commands[kind]:9} {self.bad_cases[kind]:12}")
        sums = (total, sum(self.files.values()), sum(self.commands.values()), sum(self.bad_cases.values()))
        print(f"{'all':24} {sums[0]:7} {sums[1]:7} {sums[2]:9} {sums[3]:12}\n")
        for (kind, judge), number in sorted(self.found.items()):
            print(f"{kind:24} {judge:20} {number:7}")
        print(f"faults: {self.faults}")


def shorten(detail: str, case: Case) -> str:
    """Leaves out where the case ran, and all but the end."""
    return detail.replace(f"{case.sandbox.work}/", "").replace(str(case.sandbox.folder), "")[-240:]


def keep_case(case: Case, folder: Path, seed: int) -> None:
    """Keeps all that belongs to a case: its folder as it is now, the command lines, what they said, and the faults."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(case.sandbox.folder, folder / "case", symlinks=True, ignore=skip_special)
    lines = [f"python -m tests.hard --seed {seed} --case {case.number}", ""]
    for number, outcome in enumerate(case.outcomes):
        lines.append(f"{number}: laa {' '.join(map(ascii_quoted, outcome.command.arguments))}  -> {outcome.code}")
        (folder / f"{number}.stdout").write_bytes(outcome.stdout)
        (folder / f"{number}.stderr").write_bytes(outcome.stderr)
    lines += ["", *(f"{fault.judge}: {fault.detail}" for fault in case.faults)]
    (folder / "faults.txt").write_text("\n".join(lines) + "\n", errors="backslashreplace")


def ascii_quoted(argument: str) -> str:
    """Quotes an argument for a shell."""
    return shlex.quote(argument) if argument.isascii() and argument.isprintable() else "$" + ascii(argument)


def skip_special(folder: str, names: list[str]) -> set[str]:
    """Names what cannot be copied: neither files, folders nor links."""
    paths = {name: Path(folder) / name for name in names}
    return {name for name, path in paths.items() if not (path.is_symlink() or path.is_dir() or path.is_file())}
