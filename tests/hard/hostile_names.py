"""Cases of hostile names: control characters, newlines, bidirectional marks, undecodable bytes, markup, lengths, dashes."""

from __future__ import annotations

import json
import os
from pathlib import Path

from .case import Case
from .mutated_photos import PREPARE
from .pictures import face, pillow, scene
from .sandbox import contents

FORGED = "error: forged line"
MARKUP = "<img src=x onerror=forged()>"
NAMES: tuple[bytes, ...] = (
    *(b"\x1b[2Jx", b"\x1b]0;title\x07x", b"a\n" + FORGED.encode(), b"a\r" + FORGED.encode(), b"\x08\x08x", b"\x7fx", b"tab\tx"),
    *(
        name.encode()
        for name in ("\x9b2Jx", "\x85x", "\u202egpj.x", "\u2066x\u2069", "\u2028x", "\u200bx", "e\u0301", "日本語🙂")
    ),
    *(b"\xff\xfe", b"\xc3\x28x", b"\xed\xa0\x80x", b"x\x1f", b" ", b"x ", b"..x", b".x", b"a.b.c.d", b"CON", b"nul."),
    *(b"-", b"--", b"-o", b"--help", b"-x", b"~", b"$HOME", b"`id`", b"%s%n", b"a;b", b"*", b"[a-", b"?", b"\\", b"'", b'"'),
    *(b"[bold]x[/bold]", b"[/]", b"[red", b"{0}", b"#x", b"a?b=c", b"%41", b"&amp;", b"javascript:x", MARKUP.encode()),
    *(b"x" * 251, b"x" * 247, "é".encode() * 125, b"manifest.jsonl", b"index.html"),
)


def upscale_names(case: Case) -> None:
    """Photos with hostile names for `upscale` or `detect`; the records keep the true names."""
    paths = write_named(case, case.random.randint(1, 4), (".png", ".jpg", ".gif"))
    command = case.random.choice(("upscale", "upscale", "detect"))
    arguments = [command, "-s", "1", "-o", "out"] if command == "upscale" else [command]
    case.sandbox.out.mkdir()
    arguments += case.random.choice(([], ["--json"], ["--json"]))
    named = [f"in/{path.name}" for path in paths]
    outcome = case.run(*arguments, "--", *named, outputs=[case.sandbox.out], columns=case.random.choice((20, 40, 80, 200)))
    check_lines(case)
    if "--json" in arguments and outcome.code in (0, 1, 3):
        check_records(case, outcome.stdout, named)
    elif outcome.code not in (0, 1, 2, 3):
        case.fault("exit code", f"{outcome.code}")


def bare_names(case: Case) -> None:
    """A hostile name as it is, without a folder before it and without --: an option, or a photo."""
    name = case.random.choice(NAMES)
    path = case.sandbox.write(name + b".png", pillow(scene(), "PNG"), folder=case.sandbox.work)
    case.files += 1
    case.run(
        "upscale",
        f"./{path.name}",
        "-s",
        "1",
        "-o",
        "out/x.png",
        outputs=[case.sandbox.out],
        photos={path: case.sandbox.out / "x.png"},
    )
    case.run("upscale", path.name, "-s", "1", "-o", "out/y.png", outputs=[case.sandbox.out])
    check_lines(case)


def stream_names(case: Case) -> None:
    """A file called "-", named so that it cannot be meant as standard input; and outputs with hostile names."""
    photo = case.sandbox.write("-", pillow(scene(), "PNG"), folder=case.sandbox.work)
    case.files += 1
    outcome = case.run("upscale", "./-", "-s", "1", "-o", "out/x.png", stdin=b"not a photo", outputs=[case.sandbox.out])
    if outcome.code != 0:
        case.fault("exit code", f"./- is not taken as a file: {outcome.code} {outcome.errors[:1]}")
    name = os.fsdecode(case.random.choice(NAMES))
    case.run("upscale", photo, "-s", "1", "-o", f"out/{name}.png", outputs=[case.sandbox.out])
    check_lines(case)


def batch_names(case: Case) -> None:
    """A tree of hostile names for `batch`: all done, a second run has nothing to do, page and manifest are well."""
    paths = write_named(case, case.random.randint(2, 5), (".png", ".jpg", ".gif", ".PNG"), folders=True)
    photos = [path for path in paths if is_found(path.relative_to(case.sandbox.source))]
    arguments = ("batch", "in", "out", "-s", "1", "--report", *case.random.choice(((), ("--json",))))
    first = case.run(*arguments, outputs=[case.sandbox.out], columns=case.random.choice((20, 40, 80, 200)))
    check_lines(case)
    too_long = any(len(os.fsencode(path.name)) > 240 for path in paths)
    page = case.sandbox.out / "index.html"
    in_the_way = {"index.html", "manifest.jsonl"} & {path.name for path in case.sandbox.source.iterdir()}
    allowed = (0, 1, 3) if in_the_way else (0, 3) if too_long else (0,)  # a folder whose name laa's own files have
    if photos and first.code not in allowed and (contents(case.sandbox.out) or not too_long):
        case.fault("exit code", f"{first.code}: {first.errors[:1]}")
    if page.is_file():
        check_page(case, page)
    before = case.sandbox.snapshot()
    second = case.run(*arguments, outputs=[case.sandbox.out])
    if first.code == 0:
        changed = [
            path for path, entry in case.sandbox.snapshot().items() if before.get(path) != entry and path.suffix != ".html"
        ]
        if second.code != 0 or changed:
            case.fault("other bytes", f"a second run ends in {second.code} and changes {changed[:3]}")


def prepare_names(case: Case) -> None:
    """Photos with hostile names for `prepare`."""
    write_named(case, 3, (".png", ".jpg"), folders=True)
    case.run("prepare", "in", "out", *PREPARE, outputs=[case.sandbox.out])
    check_lines(case)


def write_named(case: Case, count: int, suffixes: tuple[str, ...], *, folders: bool = False) -> list[Path]:
    """Writes photos with hostile names, some damaged so that errors name them."""
    paths = []
    for number in range(count):
        name = case.random.choice(NAMES)
        if folders and case.random.random() < 0.4:
            name = case.random.choice(NAMES) + b"/" + name
        suffix = case.random.choice(suffixes)
        kind = {".png": "PNG", ".jpg": "JPEG", ".gif": "GIF"}[suffix.lower()]
        content = pillow(face() if number == 0 else scene(), kind)
        damaged = case.random.random() < 0.25 and not folders
        try:
            paths.append(case.sandbox.write(name + suffix.encode(), content[:40] if damaged else content))
        except OSError:  # too long for this file system
            paths.append(case.sandbox.write(f"plain{number}{suffix}", content))
    case.files += count
    return list(dict.fromkeys(paths))


def is_found(name: Path) -> bool:
    """Whether `batch` looks for such a file: it is not hidden."""
    return not any(part.startswith(".") for part in name.parts)


def check_lines(case: Case) -> None:
    """A name must not make a line of its own."""
    for outcome in case.outcomes:
        if any(line.lstrip().startswith(FORGED) for line in outcome.text.splitlines()):
            case.fault("control characters", "a newline in a name makes a line of its own")
            return


def check_records(case: Case, stdout: bytes, names: list[str]) -> None:
    """Each photo has one record, with its true name."""
    try:
        inputs = [json.loads(line)["input"] for line in stdout.splitlines()]
    except (ValueError, KeyError, TypeError) as error:
        case.fault("page", f"--json: {error}")
        return
    if sorted(inputs) != sorted(names):
        case.fault("page", f"--json: {inputs!a} for {names!a}")


def check_page(case: Case, page: Path) -> None:
    """A name must not be markup, nor control characters, in the page."""
    text = page.read_text(errors="surrogateescape")
    if "<img src=x onerror" in text:
        case.fault("page", "a name is markup in the page")
    if any(character in text for character in "\x1b\x07\x08\x9b\u202e\u2066"):
        case.fault("page", "control characters of a name are in the page")


def all_names(case: Case) -> None:
    """One of the above."""
    case.random.choice((upscale_names, upscale_names, bare_names, stream_names, batch_names, batch_names, prepare_names))(case)
