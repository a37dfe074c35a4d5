"""The run: cases one after the other until the time is spent, each decided by the seed and its number alone."""

from __future__ import annotations

import argparse
import tempfile
import time
import traceback
from itertools import count
from pathlib import Path
from random import Random

from .case import Case, Fixtures, Run
from .fixtures import MadeOnce
from .kinds import KINDS
from .report import Report
from .sandbox import Sandbox, remove
from .worker import Worker


def main(arguments: list[str]) -> int:
    """Runs the command line; returns 1 where a fault was found."""
    options = parse(arguments)
    folder = Path(tempfile.mkdtemp(prefix="laa-hard-", dir=options.folder))
    report = Report(options.seed, options.keep)
    try:
        with Worker(options.timeout) as worker:
            run_cases(options, folder, worker, report)
    except KeyboardInterrupt:
        print("interrupted")
    finally:
        remove(folder)
    report.show()
    return int(report.faults > 0)


def run_cases(options: argparse.Namespace, folder: Path, worker: Worker, report: Report) -> None:
    """Runs the cases that were asked for."""
    fixtures = MadeOnce(folder / "fixtures", worker.run)
    started = time.monotonic()
    for number in options.case or count():
        if not options.case and time.monotonic() - started > options.seconds:
            return
        if not options.kinds or choose_kind(options.seed, number) in options.kinds:
            case = run_case(options.seed, number, folder / str(number), worker.run, fixtures)
            report.add(case)
            remove(case.sandbox.folder)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.hard", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long cases are begun (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="decides with a case's number on all that it does (%(default)s)")
    parser.add_argument("--case", type=int, nargs="+", help="only these cases of the seed, such as a fault names")
    parser.add_argument("--kinds", nargs="+", choices=sorted(KINDS), help="only cases of these kinds")
    parser.add_argument("--keep", type=Path, help="a folder for all that belongs to each fault")
    parser.add_argument("--timeout", type=float, default=20, help="seconds after which a command hangs (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where cases run (the folder for temporary files)")
    return parser.parse_args(arguments)


def choose_kind(seed: int, number: int) -> str:
    """Chooses the kind of a case."""
    names = list(KINDS)
    return Random(f"kind {seed} {number}").choices(names, [KINDS[name].weight for name in names])[0]


def run_case(seed: int, number: int, folder: Path, execute: Run, fixtures: Fixtures) -> Case:
    """Runs one case in `folder`, which is made."""
    kind = choose_kind(seed, number)
    case = Case(kind, number, Random(f"case {seed} {number}"), Sandbox(folder), execute, fixtures)
    try:
        KINDS[kind].play(case)
    except Exception:  # a fault of the test's own is one fault, and no end of a long run
        case.fault("broken case", traceback.format_exc())
    return case
