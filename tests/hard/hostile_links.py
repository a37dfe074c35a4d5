"""Cases of links: from where results go to the photos, which must stay whatever is written; and among the photos."""

from __future__ import annotations

import os
from pathlib import Path

from .case import Case
from .fixtures import TINY, TRAIN, TRAINING_BYTES, copy
from .mutated_photos import PREPARE
from .pictures import face, pillow, scene

LINKED = (
    *("sub", "a.png", "sub/b.jpg", "manifest.jsonl", "index.html", ".laa", ".laa", ".laa", ".laa/ab", ".laa.lock", "new"),
    *("a_x1.png", "compare", "compare/a_x1_compare.png", "faces", "faces/a_face01_before.png", "a_faces.png"),
    *("manifest.csv", "train-0.tar", "val.tar", "contact-sheet.png", "unfinished", "weights.safetensors", "log.csv"),
)


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
        ["upscale", "in/a.png", "-s", "1", "-o", "in/a.png", *extra],
        ["upscale", "in/a.png", "-s", "1", "-o", "out/r.png", "--compare", "in/a.png", *extra],
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
