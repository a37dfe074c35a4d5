"""Cases of hostile trees: links from OUT into IN, special files, what cannot be read, targets that cannot be written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from .case import Case
from .fixtures import TINY, TRAIN, TRAINING_BYTES, copy
from .mutated_photos import PREPARE
from .photos import face, pillow, scene

LINKED = (
    *("sub", "a.png", "sub/b.jpg", "manifest.jsonl", "index.html", ".laa", ".laa", ".laa", ".laa/ab", ".laa.lock", "new"),
    *("a_x1.png", "compare", "compare/a_x1_compare.png", "faces", "faces/a_face01_before.png", "a_faces.png"),
    *("manifest.csv", "train-0.tar", "val.tar", "contact-sheet.png", "unfinished", "weights.safetensors", "log.csv"),
)


def trees(case: Case) -> None:
    """One of those below."""
    case.random.choice(TREES)(case)


def write_tree(case: Case) -> dict[str, Path]:
    """Writes two photos, one in a sub-folder."""
    case.files += 2
    return {
        "a.png": case.sandbox.write("a.png", pillow(face(), "PNG")),
        "sub/b.jpg": case.sandbox.write("sub/b.jpg", pillow(face().crop((2, 0, 50, 48)), "JPEG", quality=95)),
    }


def links_into_photos(case: Case) -> None:
    """Links in OUT that lead to the photos: whatever is written, they must stay."""
    write_tree(case)
    out = case.sandbox.out
    out.mkdir()
    if case.random.random() < 0.3:  # an earlier run's files are there
        case.run("batch", "in", "out", "-s", "1", "--report", outputs=[out])
    for name in case.random.sample(LINKED, case.random.randint(1, 6)):
        place = out / name
        targets = [case.sandbox.source / other for other in ("a.png", "sub/b.jpg", "sub", ".")]
        target = case.random.choice(targets)
        if os.path.lexists(place) or place.parent.is_symlink():
            continue
        place.parent.mkdir(exist_ok=True)
        if target.is_file() and case.random.random() < 0.4:
            os.link(target, place)
        else:
            place.symlink_to(case.random.choice((target, os.path.relpath(target, place.parent))))
    extra = case.random.choice(([], ["--overwrite"], ["--overwrite"]))
    commands = (
        ["batch", "in", "out", "-s", "1", "--report", *extra],
        ["batch", "in", "out", "-s", "1", "--report", *extra],
        [
            "upscale",
            "in/a.png",
            "in/sub/b.jpg",
            "-s",
            "1",
            "-o",
            "out",
            "--compare",
            "out/compare",
            "--faces-dir",
            "out/faces",
            *extra,
        ],
        ["upscale", "in/a.png", "-s", "1", "-o", "out/sub/b.jpg", "--compare", "out/new", "--faces-dir", "out/faces", *extra],
        ["detect", "in/a.png", "in/sub/b.jpg", "-o", "out", *extra],
        ["detect", "in/a.png", "-o", "out/new", *extra],
        ["prepare", "in", "out", *PREPARE],
        ["upscale", "in/a.png", "-s", "1", "-o", "in/sub/b.jpg", *extra],
        ["upscale", "in/a.png", "-s", "1", "-o", "out/r.png", "--compare", "in/sub/b.jpg", *extra],
        ["upscale", "in/a.png", "in/sub/b.jpg", "-s", "1", "-o", "in", *extra],
    )
    command = list(case.random.choice(commands))
    case.notes.append(" ".join(command))
    case.run(*command, outputs=[out, case.sandbox.source])  # new files among the photos may be meant


def links_into_faces(case: Case) -> None:
    """Links in the folder of a training run that lead to the faces."""
    for name in ("faces", "validation"):
        copy(case.fixtures.get("faces") / name, case.sandbox.source / name)
        (case.sandbox.work / name).symlink_to(case.sandbox.source / name)
    case.sandbox.out.mkdir()
    for name in case.random.sample(("log.csv", "curve.png", "preview.png", "tensorboard", ".laa.lock", ".laa"), 3):
        target = case.sandbox.source / case.random.choice(("faces/0.png", "faces"))
        (case.sandbox.out / name).symlink_to(target)
    case.run(*TRAIN, *TINY, "-o", "out", outputs=[case.sandbox.out, case.sandbox.source], peak_bytes=TRAINING_BYTES)


def linked_photos(case: Case) -> None:
    """Links in IN: to photos, out of it, in circles, to devices."""
    write_tree(case)
    source = case.sandbox.source
    elsewhere = case.sandbox.write("elsewhere/c.png", pillow(scene(), "PNG"), folder=case.sandbox.work)
    links = {
        "l.png": "a.png",
        "loop.png": "loop.png",
        "up": "..",
        "zero.png": "/dev/zero",
        "gone.png": "nothing",
        "out.png": str(elsewhere),
    }
    for name in case.random.sample(list(links), 4):
        (source / name).symlink_to(links[name])
    if case.random.random() < 0.5:
        os.mkfifo(source / "pipe.png")
    command = case.random.choice((["batch", "in", "out", "-s", "1"], ["prepare", "in", "out", *PREPARE]))
    case.run(*command, outputs=[case.sandbox.out])


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


def full_stdout(case: Case) -> None:
    """Standard output is full: a photo that was written was written."""
    photo = write_tree(case)["a.png"]
    command = case.random.choice(
        (["upscale", "in/a.png", "-s", "1", "-o", "out/r.png"], ["detect", "in/a.png"], ["batch", "in", "out", "-s", "1"])
    )
    extra = case.random.choice(([], ["--json"]))
    photos = {photo: case.sandbox.out / "r.png"} if command[0] == "upscale" else None
    outcome = case.run(*command, *extra, outputs=[case.sandbox.out], photos=photos, stdout=Path("/dev/full"))
    if outcome.code == 0 and extra:
        case.fault("exit code", "0, though the records could not be written")


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
    *(full_stdout, equal_names, little_memory, links_into_faces),
)
