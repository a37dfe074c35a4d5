"""Cases of hostile trees: what cannot be read, targets that cannot be written, equal names, little memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .case import Case
from .command import BROKEN_PIPE, CLOSED
from .hostile_links import linked_photos, links_into_faces, links_into_photos, write_tree
from .mutated_photos import PREPARE
from .pictures import pillow, scene


def trees(case: Case) -> None:
    """One of those below."""
    case.random.choice(TREES)(case)


def unreadable(case: Case) -> None:
    """A folder or a photo that cannot be read: said in a line, exit code 3, the others are done."""
    photos = write_tree(case)
    case.sandbox.write("locked/c.png", pillow(scene(), "PNG"))
    (case.sandbox.source / "locked").chmod(case.random.choice((0o000, 0o300, 0o600)))
    is_folder = case.random.random() < 0.6
    if not is_folder:
        (case.sandbox.source / "locked").chmod(0o700)
        (case.sandbox.source / "locked" / "c.png").chmod(0o000)
    out = case.sandbox.out
    command = case.random.choice(("batch", "prepare") if is_folder else ("batch", "prepare", "upscale", "detect"))
    results = {photos[name]: out / name for name in photos}
    if command == "upscale":
        outcome = case.run("upscale", *photos.values(), "in/locked/c.png", "-s", "1", "-o", "out", outputs=[out])
        results = {photos["a.png"]: out / "a_x1.png", photos["sub/b.jpg"]: out / "b_x1.jpg"}
    elif command == "detect":
        outcome, results = case.run("detect", *photos.values(), "in/locked/c.png", outputs=[out]), {}
    else:
        extra = ["-s", "1"] if command == "batch" else PREPARE
        outcome = case.run(command, "in", "out", *extra, outputs=[out])
        results = results if command == "batch" else {}
    if outcome.code != 3:
        case.fault(
            "exit code", f"{outcome.code} from {command} with {'a folder' if is_folder else 'a photo'} that cannot be read"
        )
    if b"locked" not in outcome.stderr:
        case.fault("error line", f"{command} does not name what cannot be read")
    for result in results.values():
        if not result.exists():
            case.fault("other bytes", f"{command} left {result.name} out")


def bad_targets(case: Case) -> None:
    """Outputs that cannot be written: refused before work, with a code that is true."""
    photo = write_tree(case)["a.png"]
    out, work = case.sandbox.out, case.sandbox.work
    (work / "file").write_bytes(b"a file")
    out.mkdir()
    locked = work / "locked"
    locked.mkdir(mode=0o500)
    result = out / "r.png"
    plain = ["upscale", "in/a.png", "-s", "1", "-o", "out/r.png"]
    choices: tuple[tuple[list[str], dict[Path, Path]], ...] = (
        ([*plain, "--faces-dir", "file"], {photo: result}),
        ([*plain, "--faces-dir", "locked"], {photo: result}),
        ([*plain, "--compare", "file/c.png"], {photo: result}),
        ([*plain, "--compare", "locked/c.png"], {photo: result}),
        ([*plain, "--compare", "out/r.png"], {photo: result}),
        ([*plain, "--compare", "c.gif"], {photo: result}),
        (["upscale", "in/a.png", "-s", "1", "-o", "newdir/"], {photo: work / "newdir" / "a_x1.png"}),
        (["upscale", "in/a.png", "-s", "1", "-o", "locked/r.png"], {}),
        (["upscale", "in/a.png", "-s", "1", "-o", "file/r.png"], {}),
        (["upscale", "in/a.png", "-s", "1", "-o", "/dev/null"], {}),
        (["upscale", "in/a.png", "-s", "1", "-o", "out/" + "x" * 300 + ".png"], {}),
        (["upscale", "in/a.png", "-s", "1", "-o", "out/" + "y" * 250 + ".png", "--faces-dir", "out/f"], {}),
        (["batch", "in", "locked", "-s", "1"], {}),
        (["batch", "in", "file", "-s", "1"], {}),
        (["batch", "in", "in", "-s", "1"], {}),
        (["prepare", "in", "locked", *PREPARE], {}),
        (["prepare", "in", "file", *PREPARE], {}),
        (["detect", "in/a.png", "-o", "locked/r.png"], {}),
        (["detect", "in/a.png", "-o", "newdir/"], {}),
        (["train", "in", "-o", "file"], {}),
        (["train", "nope", "-o", "out"], {}),
    )
    command, photos = case.random.choice(choices)
    case.notes.append(" ".join(command))
    outcome = case.run(*command, outputs=[out, work / "newdir"], photos=photos)
    must_work, may_work = command[-1] == "newdir/", "/dev/null" in command or "out/f" in command
    if (outcome.code == 0) != must_work and not may_work and not outcome.hung:
        case.fault("exit code", f"{outcome.code} from laa {' '.join(command)[:120]}")


def bad_stdout(case: Case) -> None:
    """Standard output is full, closed, or a pipe that nobody reads: photos that were written were not nothing."""
    write_tree(case)
    commands = (
        ["upscale", "in/a.png", "-s", "1", "-o", "out/r.png"],
        ["detect", "in/a.png"],
        ["batch", "in", "out", "-s", "1"],
    )
    command = [*case.random.choice(commands), *case.random.choice(([], ["--json"]))]
    stdout = case.random.choice((Path("/dev/full"), BROKEN_PIPE, BROKEN_PIPE, CLOSED))
    case.notes.append(str(stdout))
    outcome = case.run(*command, outputs=[case.sandbox.out], stdout=stdout)
    written = case.sandbox.out.exists() and any(path.suffix in (".png", ".jpg") for path in case.sandbox.out.rglob("*"))
    if outcome.code == 1 and written:
        case.fault("exit code", f"1 from {' '.join(command)} with {stdout}, but a photo was written")
    if command[0] != "detect" and not written and not outcome.hung:
        case.fault("exit code", f"{outcome.code}: no photo from {' '.join(command)} with {stdout}")


def equal_names(case: Case) -> None:
    """Photos whose results would have one name: none may take another's place."""
    content = pillow(scene(), "PNG")
    names = case.random.choice(
        (["a/1.jpg", "b/1.jpg"], ["1.gif", "1.png"], ["1.PNG", "1.png"], ["x.png", "x.png.png", "x.gif"])
    )
    paths = [case.sandbox.write(name, content) for name in names]
    case.files += len(names)
    if case.random.random() < 0.5:
        case.run("batch", "in", "out", "-s", "1", outputs=[case.sandbox.out])
        found = [path for path in case.sandbox.out.rglob("*") if path.is_file() and not path.name.startswith((".", "manifest"))]
        if len(found) != len(names):
            case.fault("exit code", f"{len(found)} results of {names}")
        return
    outcome = case.run("upscale", *paths, "-s", "1", "-o", "out", outputs=[case.sandbox.out])
    found = list(case.sandbox.out.glob("*")) if case.sandbox.out.exists() else []
    if outcome.code == 0 and len(found) != len(names):
        case.fault("exit code", f"0, but {len(found)} results of {names}")
    if outcome.code != 0 and found:
        case.fault("exit code", f"{outcome.code}, but {len(found)} results of {names}")


def little_memory(case: Case) -> None:
    """Little address space, as under `ulimit -v` or on a small machine: a small photo still fits."""
    photo = write_tree(case)["a.png"]
    result = case.sandbox.out / "r.png"
    case.run(
        "upscale",
        "in/a.png",
        "-s",
        "2",
        "-o",
        result,
        outputs=[case.sandbox.out],
        photos={photo: result},
        address_space=3 << 30,
    )


TREES: tuple[Callable[[Case], None], ...] = (
    *(
        links_into_photos,
        links_into_photos,
        links_into_photos,
        links_into_photos,
        linked_photos,
        unreadable,
        unreadable,
        bad_targets,
        bad_targets,
    ),
    *(bad_stdout, equal_names, little_memory, links_into_faces),
)
