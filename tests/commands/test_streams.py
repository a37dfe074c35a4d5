"""What becomes of a command whose standard output is closed, full, or not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fakes import ROOT, laa, one_line, write_photo_of_noise

from laa_cli.console import Screen
from laa_cli.errors import Exit

CASES = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from fakes import fake_upscaler, one_face
from laa_cli import __main__, upscale
import laa_cli.batch.run, laa_cli.single.run, laa_cli.commands.app

upscale.Upscaler.from_options = lambda *arguments: fake_upscaler()
upscale.build_detector = lambda *arguments: one_face

def run(stdout, *arguments):
    '''The exit code and stderr of the command line with that stdout, as the interpreter's end leaves them.'''
    reader, writer = os.pipe()
    if child := os.fork():
        os.close(writer)
        said = open(reader, "rb").read().decode()
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said
    os.dup2(writer, 2)
    if stdout == "closed":
        ends = os.pipe()
        os.close(ends[0])
        os.dup2(ends[1], 1)
    else:
        os.dup2(os.open(stdout, os.O_WRONLY), 1)
    for name, handle in (("stdout", 1), ("stderr", 2)):
        setattr(sys, name, open(handle, "w", closefd=False))
    sys.argv[:] = ["laa", *arguments]
    try:
        __main__.main()
    except SystemExit as end:
        if "-q" in arguments:  # of these the interpreter's own end, which takes longest, is left out
            os._exit(end.code)
        raise

print(json.dumps([run(*case) for case in json.load(sys.stdin)]))
"""


UPSCALE = ["upscale", "in/a.png", "in/b.png", "-o"]
FULL = "error: cannot write to stdout: No space left on device\n"
OUTCOMES: dict[str, tuple[str, list[str], Exit, str]] = {  # stdout, arguments, exit code, what is said
    "closed": ("closed", [*UPSCALE, "closed"], Exit.STDOUT_CLOSED, ""),
    "closed json": ("closed", [*UPSCALE, "closed json", "--json", "-q"], Exit.STDOUT_CLOSED, ""),
    "closed photo": ("closed", ["upscale", "in/a.png", "-o", "-", "-q"], Exit.STDOUT_CLOSED, ""),
    "closed batch": ("closed", ["batch", "in", "closed batch", "--json", "-q"], Exit.STDOUT_CLOSED, ""),
    "closed help": ("closed", ["upscale", "--help"], Exit.STDOUT_CLOSED, ""),
    "full": ("/dev/full", [*UPSCALE, "full"], Exit.PARTLY, FULL),
    "full json": ("/dev/full", ["upscale", "in/a.png", "gone", "-o", "full json", "--json", "-q"], Exit.PARTLY, "gone FULL"),
    "full photo": ("/dev/full", ["upscale", "in/a.png", "-o", "-", "-q"], Exit.FAILED, FULL),
    "full detect": ("/dev/full", ["detect", "in/a.png"], Exit.FAILED, FULL),
    "full drawing": ("/dev/full", ["detect", "in/a.png", "-o", "full drawing/a.png"], Exit.PARTLY, FULL),
    "full batch": ("/dev/full", ["batch", "in", "full batch", "--background", "plain"], Exit.PARTLY, FULL),
    "full batch again": ("/dev/full", ["batch", "in", "full batch", "--background", "plain"], Exit.FAILED, FULL),
    "full help": ("/dev/full", ["--help"], Exit.FAILED, FULL),
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, tuple[int, str]]]:
    """The folder in which all commands ran, and how each of them ended."""
    folder = tmp_path_factory.mktemp("streams")
    for name in ("a.png", "b.png"):
        write_photo_of_noise(folder / "in" / name)
    command = [sys.executable, "-c", CASES, str(ROOT / "tests")]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    cases = json.dumps([[stdout, *arguments] for stdout, arguments, _, _ in OUTCOMES.values()])
    result = subprocess.run(command, input=cases, capture_output=True, text=True, env=environment, cwd=folder, check=False)
    assert result.returncode == 0, result.stderr
    outcomes = [(code, said) for code, said in json.loads(result.stdout.splitlines()[-1])]
    return folder, dict(zip(OUTCOMES, outcomes, strict=True))


@pytest.mark.parametrize("case", OUTCOMES)
def test_every_command_says_what_became_of_its_stdout(ended: tuple[Path, dict[str, tuple[int, str]]], case: str) -> None:
    _, _, code, said = OUTCOMES[case]
    if said == "gone FULL":
        assert ended[1][case][1].count("error:") == 2
        said = "".join(ended[1][case][1].splitlines(keepends=True)[:-1]) + FULL
    assert ended[1][case] == (code, said)


def test_a_closed_stdout_ends_the_run_and_a_full_one_does_not(ended: tuple[Path, dict[str, tuple[int, str]]]) -> None:
    folder, _ = ended
    for name in ("closed", "closed json"):
        assert os.listdir(folder / name) == ["a_x4.png"]
    assert sorted(os.listdir(folder / "full")) == ["a_x4.png", "b_x4.png"]
    assert os.listdir(folder / "full json") == ["a_x4.png"]
    assert os.listdir(folder / "full drawing") == ["a.png"]
    assert {"a.png", "b.png"} < set(os.listdir(folder / "full batch"))
    assert not list(folder.rglob("*.part"))


def test_records_without_a_stdout_are_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    photo = write_photo_of_noise(tmp_path / "a.png")
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", None)
        assert laa(monkeypatch, "upscale", photo, "--json") == Exit.USAGE
        Screen()  # for people
    assert "no standard output" in one_line(capsys)
    assert os.listdir(tmp_path) == ["a.png"]
