"""The judges: what is a fault in a command's outcome and in the files that it left, whatever the command was."""

from __future__ import annotations

import io
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import tifffile
from PIL import Image

from .command import BROKEN_PIPE, Outcome
from .sandbox import Difference, Sandbox

PEAK_BYTES = 1 << 30  # of a command, beyond what it begins with
TRACEBACK = re.compile(r"Traceback \(most recent|failed unexpectedly|Exception ignored|Exception in thread|Fatal Python error")
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]|[\udc80-\udcff]")
EXIT_CODES = {0, 1, 2, 3, 4, 130}
TARGET_OPTIONS = ("-o", "--compare", "--faces-dir")
FORMATS = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP",
    ".avif": "AVIF",
}  # fmt: skip
JUDGES = (
    *("traceback", "hang", "crash", "memory", "exit code", "error line", "control characters"),
    *("partial output", "left over", "changed input", "outside", "wrong pixels", "called damaged", "other bytes", "page"),
    *("accepted damage", "lost colour", "left metadata", "reason", "broken case"),
)  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """What a judge found."""

    judge: str
    detail: str

    def __post_init__(self) -> None:
        assert self.judge in JUDGES, self.judge


def judge_outcome(outcome: Outcome, peak_bytes: int = PEAK_BYTES, *, binary_stdout: bool = False) -> Iterator[Fault]:
    """Judges how a command ended and what it said. `binary_stdout`: stdout carries a photo."""
    text = outcome.stderr.decode(errors="surrogateescape") if binary_stdout else outcome.text
    if found := TRACEBACK.search(text):
        lines = text[found.start() :].strip().splitlines()
        yield Fault("traceback", lines[-1] if lines[0].startswith("Traceback") else lines[0])
    killed = outcome.command.kill is not None or (outcome.code == -signal.SIGPIPE and outcome.command.stdout == BROKEN_PIPE)
    if outcome.hung:
        yield Fault("hang", f"no end after {outcome.seconds:.0f} s")
    elif outcome.code < 0 and not killed:
        yield Fault("crash", f"ended by signal {-outcome.code}")
    elif outcome.code not in EXIT_CODES and not killed and not (outcome.code == 141 and outcome.command.stdout == BROKEN_PIPE):
        yield Fault("exit code", f"{outcome.code} is none of laa's")
    if outcome.code in (1, 2, 3, 4) and not outcome.errors:
        last = outcome.stderr.decode(errors="replace").strip().splitlines()[-1:]
        yield Fault("error line", f"exit code {outcome.code} without an error: line; the last line: {last}")
    if outcome.code == 0 and outcome.errors:
        yield Fault("exit code", f"0, but {outcome.errors[0]}")
    if outcome.peak_bytes > peak_bytes:
        yield Fault("memory", f"{outcome.peak_bytes / 2**20:.0f} MiB")
    if "not enough memory" in text:
        yield Fault("memory", "it said that it had not enough memory")
    if found := CONTROL.search(text):
        line = text[: found.start()].count("\n")
        yield Fault("control characters", ascii(text.splitlines()[line : line + 1] or found[0]))
    yield from (Fault("outside", f"wrote {path!r}") for path in outcome.outside)


def judge_files(differences: list[Difference], sandbox: Sandbox, outcome: Outcome, outputs: list[Path]) -> Iterator[Fault]:
    """Judges what a command did to files: it may only add to `outputs`, folders and files, and change what is in them."""
    for difference in differences:
        path = difference.path
        name = path.relative_to(sandbox.folder)
        if path.name.startswith(".laa-") and path.name.endswith(".part"):
            if difference.what == "added" and outcome.command.kill is None and not outcome.hung:
                yield Fault("left over", str(name))
        elif path.is_relative_to(sandbox.temporary):
            if outcome.command.kill is None and not outcome.hung:
                yield Fault("left over", f"{name} {difference.what}")
        elif path.is_relative_to(sandbox.source) and difference.what != "added":
            yield Fault("changed input", f"{name} {difference.what}")
        elif not any(path == output or path.is_relative_to(output) for output in outputs):
            is_parent = difference.is_folder and any(output.is_relative_to(path) for output in outputs)
            if not is_parent:
                yield Fault("outside", f"{name} {difference.what}")


def judge_results(differences: list[Difference], outputs: list[Path]) -> Iterator[Fault]:
    """Judges the pictures that were written: each must decode whole, in the format of its name."""
    for difference in differences:
        path = difference.path
        is_output = any(path == output or path.is_relative_to(output) for output in outputs)
        if is_output and difference.what != "removed" and path.suffix.lower() in FORMATS and path.is_file():
            reason = broken(path)
            if reason:
                yield Fault("partial output", f"{path.name}: {reason}")


def broken(path: Path) -> str | None:
    """Says what is wrong with a picture; None where nothing is."""
    content = path.read_bytes()
    kind = FORMATS[path.suffix.lower()]
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.format != kind:
                return f"it is {image.format}"
            if kind != "TIFF":
                image.load()
        if kind == "PNG":
            with Image.open(io.BytesIO(content)) as image:
                image.verify()
        if kind == "TIFF":
            tifffile.imread(io.BytesIO(content), maxworkers=1)
    except Exception as error:  # whatever a library says of it, it is no whole picture
        return f"{type(error).__name__}: {error}"
    return None


def judge_exit_code(outcome: Outcome, expected: list[Path], written: list[Path], sources: list[str]) -> Iterator[Fault]:
    """Judges the exit code of `upscale` and `batch` by what they wrote. `sources`: the photo's name behind each output."""
    if outcome.hung or outcome.code < 0 or outcome.command.kill is not None:
        return
    failed = [(source, path) for source, path in zip(sources, expected, strict=True) if path not in written]
    missing = [source for source, _ in failed]
    if outcome.code == 0 and missing:
        yield Fault("exit code", f"0, but no output of {missing[0]!a}")
    if outcome.code in (1, 2, 4) and written:
        yield Fault("exit code", f"{outcome.code}, but {written[0].name!a} was written")
    if outcome.code == 3 and (not missing or not written):
        yield Fault("exit code", f"3, but {len(written)} of {len(expected)} were written")
    if outcome.code in (1, 3):
        said = outcome.stderr.decode(errors="surrogateescape")
        targets = [value for option, value in pairwise(outcome.command.arguments) if option in TARGET_OPTIONS]
        named = [
            source
            for source, path in failed
            if source in said or any(target in said for target in (path.name, *targets))  # or by its results
        ]
        unnamed = [source for source in missing if source.isascii() and source.isprintable() and source not in named]
        if unnamed:
            yield Fault("error line", f"no line names {unnamed[0]}")
