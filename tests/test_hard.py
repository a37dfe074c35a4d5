"""The hard test's own test: its judges find planted faults, and a case of a seed is always the same."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fakes import ROOT, encode_image
from hard.case import Case
from hard.command import Command, Outcome
from hard.fixtures import MadeOnce
from hard.judges import judge_exit_code, judge_files, judge_outcome, judge_results
from hard.mutation import mutate
from hard.photos import all_seeds
from hard.pictures import face
from hard.run import run_case
from hard.sandbox import Sandbox, compare, contents, remove
from hard.worker import Worker
from PIL import Image

HARMLESS = {"code": 0, "stdout": b"r.png: 4x4\n", "stderr": b"", "seconds": 0.1, "peak_bytes": 0}


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path / "case")


def outcome(sandbox: Sandbox | None = None, **changes: object) -> Outcome:
    folder = sandbox.folder if sandbox else Path("/nowhere")
    command = Command(arguments=("upscale",), folder=folder, sandbox=folder, temporary=folder)
    return Outcome(**{"command": command, **HARMLESS, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("planted", "judges"),
    [
        ({}, []),
        ({"code": 1, "stderr": b"error: cannot read x\n"}, []),
        ({"code": 1, "stderr": b"Traceback (most recent call last):\n  ...\nerror: \nOSError"}, ["traceback"]),
        ({"code": 1, "stderr": b"error: laa failed unexpectedly (OSError)"}, ["traceback"]),
        ({"stderr": b"Exception ignored in: <x>"}, ["traceback"]),
        ({"code": -9, "hung": True}, ["hang"]),
        ({"code": -11}, ["crash"]),
        ({"code": 120, "stderr": b"error: x"}, ["exit code"]),
        ({"code": 1, "stderr": b"Error: usage"}, ["error line"]),
        ({"stderr": b"error: cannot read x\n"}, ["exit code"]),
        ({"peak_bytes": 3 << 30}, ["memory"]),
        ({"stdout": b"\x1b[2Jx.png: 4x4\n"}, ["control characters"]),
        ({"stdout": "x\u202e.png: 4x4\n".encode()}, ["control characters"]),
        ({"stdout": b"tab\tand\nline \xe2\x94\x83\n"}, []),
        ({"outside": ("/tmp/x",)}, ["outside"]),
    ],
)
def test_outcomes_are_judged(planted: dict[str, object], judges: list[str]) -> None:
    assert [fault.judge for fault in judge_outcome(outcome(**planted))] == judges


@pytest.mark.parametrize(
    ("plant", "judges"),
    [
        (lambda box: (box.out / "r.png").write_bytes(b"a result"), []),
        (lambda box: (box.source / "a.png").write_bytes(b"changed"), ["changed input"]),
        (lambda box: (box.source / "a.png").unlink(), ["changed input"]),
        (lambda box: os.utime(box.source / "a.png", (1, 1)), ["changed input"]),
        (lambda box: (box.source / "b.png").write_bytes(b"new"), ["outside"]),
        (lambda box: (box.work.parent / "x.png").write_bytes(b"new"), ["outside"]),
        (lambda box: (box.folder / "canary").write_bytes(b"touched"), ["outside"]),
        (lambda box: (box.out / ".laa-x.part").write_bytes(b"half"), ["left over"]),
        (lambda box: (box.temporary / "x").write_bytes(b"half"), ["left over"]),
    ],
)
def test_files_are_judged(sandbox: Sandbox, plant: object, judges: list[str]) -> None:
    sandbox.write("a.png", b"a photo")
    sandbox.out.mkdir()
    before = sandbox.snapshot()
    plant(sandbox)  # type: ignore[operator]
    differences = compare(before, sandbox.snapshot())
    assert [fault.judge for fault in judge_files(differences, sandbox, outcome(), [sandbox.out])] == judges


def test_a_replaced_input_is_found_by_its_inode(sandbox: Sandbox) -> None:
    photo = sandbox.write("a.png", b"a photo")
    times = (photo.stat().st_atime_ns, photo.stat().st_mtime_ns)
    before = sandbox.snapshot()
    other = sandbox.write("other", b"a photo")
    other.replace(photo)
    os.utime(photo, ns=times)
    (difference,) = compare(before, sandbox.snapshot())
    assert difference.what == "changed (inode)"


def test_results_must_decode_in_the_format_of_their_name(sandbox: Sandbox) -> None:
    png = encode_image(Image.new("RGB", (9, 9)), "PNG")
    for name, content in (("good.png", png), ("cut.png", png[:-20]), ("other.jpg", png), ("manifest.jsonl", b"")):
        sandbox.write(name, content, folder=sandbox.out)
    found = [fault.detail.split(":")[0] for fault in judge_results(compare({}, sandbox.snapshot()), [sandbox.out])]
    assert found == ["cut.png", "other.jpg"]


@pytest.mark.parametrize(
    ("code", "written", "judges"),
    [
        (0, "ab", []),
        (0, "a", ["exit code"]),
        (1, "", []),
        (1, "a", ["exit code"]),
        (2, "a", ["exit code"]),
        (3, "a", []),
        (3, "ab", ["exit code"]),
        (3, "", ["exit code"]),
    ],
)
def test_exit_codes_are_judged_by_what_was_written(code: int, written: str, judges: list[str]) -> None:
    said = b"error: cannot read a\nerror: cannot read b\n"
    found = judge_exit_code(
        outcome(code=code, stderr=said), [Path("a"), Path("b")], [Path(name) for name in written], ["a", "b"]
    )
    assert [fault.judge for fault in found] == judges


def test_a_failure_must_name_its_photo() -> None:
    (fault,) = judge_exit_code(outcome(code=1, stderr=b"error: too large"), [Path("a.out")], [], ["a.png"])
    assert fault.judge == "error line"


# Cases


def recorded(folder: Path, seed: int, number: int) -> tuple[str, list[tuple[str, ...]], dict[str, bytes]]:
    """A case whose commands do nothing: its kind, the commands, the files that it wrote."""
    commands: list[tuple[str, ...]] = []

    def execute(command: Command) -> Outcome:
        commands.append(tuple(argument.replace(str(folder), "") for argument in command.arguments))
        return outcome(code=1, stderr=b"error: nothing was done\n")

    case: Case = run_case(seed, number, folder, execute, MadeOnce(folder.parent / "fixtures", execute))
    files = contents(case.sandbox.work)
    remove(folder)
    return case.kind, commands, files


WITHOUT_FIXTURES = {"mutated photos", "intact photos", "stripped photos", "names", "trees", "archives"}


def test_a_case_of_a_seed_is_always_the_same(tmp_path: Path) -> None:
    kinds = set()
    for number in range(12):
        if run_kind(number) in WITHOUT_FIXTURES:
            kinds.add(run_kind(number))
            assert recorded(tmp_path / "case", 1, number) == recorded(tmp_path / "case", 1, number)
    assert len(kinds) > 2


def run_kind(number: int) -> str:
    from hard.run import choose_kind

    return choose_kind(1, number)


def test_mutants_differ_from_their_seeds_and_from_each_other() -> None:
    from random import Random

    seed = all_seeds()[0].content
    mutants = {mutate(seed, all_seeds()[1].content, Random(number)) for number in range(50)}
    assert len(mutants) > 40
    assert len(mutants - {seed}) > 40


# The worker, in a process of its own, for pytest's has threads


def planted_main() -> None:
    """What stands in laa's place: does what its first argument says."""
    what, place = sys.argv[1:]
    if what == "hang":
        time.sleep(60)
    elif what == "raise":
        raise OSError("planted")
    elif what == "crash":
        os.abort()
    elif what == "outside":
        Path(place).write_bytes(b"planted")
    elif what == "memory":
        assert len(b"x" * (5 << 28)) == 5 << 28
    elif what == "unreadable":
        Path("locked").mkdir(mode=0)
        os.listdir("locked")
    print("done")
    sys.exit(3)


def run_planted(folder: str) -> None:
    """Prints what the worker finds of a photo, and of each fault."""
    import laa_cli.__main__

    sandbox = Sandbox(Path(folder) / "case")
    face().save(sandbox.work / "a.png")
    places = {"folder": sandbox.work, "sandbox": sandbox.folder, "temporary": sandbox.temporary}
    with Worker(timeout=60) as worker:
        found = worker.run(Command(arguments=("upscale", "a.png", "-s", "1"), **places))
        print(found.code, b"1 of 1 faces restored" in found.stdout, list(judge_outcome(found)))
        worker.timeout = 4  # the others take far less, unless the machine is busy
        laa_cli.__main__.main = planted_main
        for what in ("nothing", "hang", "raise", "crash", "outside", "memory", "unreadable"):
            found = worker.run(Command(arguments=(what, f"{folder}/planted"), **places))
            print(what, found.code, found.hung, *[fault.judge for fault in judge_outcome(found)], sep=",")


@pytest.mark.skipif(sys.platform != "linux", reason="the worker reads /proc")
def test_the_worker_finds_planted_faults(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"}
    script = "import sys, test_hard; test_hard.run_planted(sys.argv[1])"
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.splitlines() == [
        "0 True []",
        "nothing,3,False,error line",
        "hang,-9,True,hang",
        "raise,1,False,traceback,error line",
        "crash,-6,False,crash",
        "outside,3,False,error line,outside",
        "memory,3,False,error line,memory",
        "unreadable,1,False,traceback,error line",
    ], done.stderr
