"""Cases of runs that are killed or interrupted, and then repeated: equal bytes, nothing left over."""

from __future__ import annotations

import signal
from pathlib import Path

from .case import Case
from .fixtures import TWICE, copy
from .hostile_manifests import check_results
from .sandbox import contents, walk

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
INTERRUPTED = 130


def killed_batch(case: Case) -> None:
    """Kills `laa batch` a few times at any moment, then has it go on."""
    fixture = case.fixtures.get("photos")
    copy(fixture / "in", case.sandbox.source)
    case.files += 1
    arguments = ("batch", "in", "out", *TWICE, "--report")
    for _ in range(case.random.choice((1, 1, 2))):
        interrupt(case, *arguments)
    outcome = case.run(*arguments, outputs=[case.sandbox.out])
    if outcome.code != 0 and not outcome.hung:
        case.fault("exit code", f"{outcome.code} when it goes on: {outcome.errors[:1]}")
    check_results(case, contents(fixture / "out"))
    check_left_over(case, case.sandbox.out)


def killed_upscale(case: Case) -> None:
    """Kills `laa upscale` at any moment, then repeats it."""
    fixture = case.fixtures.get("photos")
    copy(fixture / "in", case.sandbox.source)
    case.files += 1
    photos = ("in/face.png", "in/sub/other.jpg", "in/scene.gif")
    arguments = ("upscale", *photos, "-o", "out", *TWICE, "--compare", "out/compare", "--faces-dir", "out/faces")
    case.sandbox.out.joinpath("compare").mkdir(parents=True)
    interrupt(case, *arguments)
    outcome = case.run(*arguments, "--overwrite", outputs=[case.sandbox.out])
    if outcome.code != 0 and not outcome.hung:
        case.fault("exit code", f"{outcome.code} when it is repeated: {outcome.errors[:1]}")
    check_left_over(case, case.sandbox.out)
    expected = contents(fixture / "out")
    for name, result in (("face.png", "face_x2.png"), ("sub/other.jpg", "other_x2.jpg"), ("scene.gif.png", "scene_x2.png")):
        path = case.sandbox.out / result
        if not path.exists() or path.read_bytes() != expected[name]:
            case.fault("other bytes", f"{result} is not that of a run without interruption")


def interrupt(case: Case, *arguments: str) -> None:
    """Runs a command and sends it a signal at any moment."""
    number = case.random.choice(SIGNALS)
    outcome = case.run(*arguments, outputs=[case.sandbox.out], kill=(number, case.random.uniform(0.02, 1.5)))
    if outcome.hung or number == signal.SIGKILL:
        return
    if outcome.code not in (0, INTERRUPTED):
        case.fault("exit code", f"{outcome.code} after {signal.Signals(number).name}")
    check_left_over(case, case.sandbox.out, f" after {signal.Signals(number).name}")


def check_left_over(case: Case, folder: Path, when: str = "") -> None:
    """Looks for temporary files."""
    for path in walk(folder):
        if path.name.startswith(".laa-") and path.name.endswith(".part"):
            case.fault("left over", f"{path.relative_to(folder)}{when}")
