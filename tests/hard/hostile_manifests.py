"""Cases of damaged and hostile manifests in the folder of results of `laa batch`."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from .case import Case
from .damaged_weights import VALUES, change_value
from .fixtures import TWICE, copy
from .mutation import mutate
from .sandbox import contents

MARK = "<script>hostile()</script>"
STRINGS = (
    *(
        "../../../../tmp/x",
        "../../x",
        "a/../../b",
        "/dev/null",
        "..",
        ".",
        "",
        "x" * 300,
        "x" * 10000,
        "\0",
        "a\0b",
        MARK,
        "\x1b[2J",
    ),
    *("face.png", "sub/other.jpg", "sub", "manifest.jsonl", "index.html", "\ud800", "é" * 64, "0" * 64),
)
FIELDS = (
    *("input", "output", "size", "mtime_ns", "sha256", "recipe", "error", "width", "height", "faces", "output_sha256"),
    *("output_size", "output_mtime_ns", "versions", "weights", "options", "seconds"),
    *("background", "background_fidelity", "background_weights"),
)


def manifests(case: Case) -> None:
    """Damages the manifest of a folder that is done: the next run must end with the same files."""
    fixture = case.fixtures.get("photos")
    copy(fixture / "in", case.sandbox.source)
    copy(fixture / "out", case.sandbox.out)
    manifest = case.sandbox.out / "manifest.jsonl"
    damage = case.random.choice(DAMAGES)
    manifest.write_bytes(damage(manifest.read_bytes(), case.random, str(case.sandbox.folder)))
    case.files += 1
    removed = case.random.choice((None, None, "face.png", "index.html"))
    if removed:
        (case.sandbox.out / removed).unlink()
    arguments = (
        "batch",
        "in",
        "out",
        *TWICE,
        *case.random.choice(((), ("--report",), ("--report",), ("--report", "--json"))),
    )
    outcome = case.run(*arguments, outputs=[case.sandbox.out])
    if outcome.code != 0 and not outcome.hung and not all("exists already" in line for line in outcome.errors):
        case.fault("exit code", f"{outcome.code} after {damage.__name__}: {outcome.errors[:1]}")
    check_results(case, fixture_results=contents(fixture / "out"))
    again = case.run(*arguments, outputs=[case.sandbox.out])
    if again.code != outcome.code:
        case.fault("exit code", f"{outcome.code}, then {again.code} after {damage.__name__}")


def check_results(case: Case, fixture_results: dict[str, bytes]) -> None:
    """Compares the results with those of a run that was not disturbed; the page may say other seconds."""
    found = contents(case.sandbox.out)
    for name, content in fixture_results.items():
        if name == "index.html":
            continue
        if name not in found:
            case.fault("other bytes", f"{name} is missing")
        elif found[name] != content:
            case.fault("other bytes", f"{name} is another file")
    page = found.get("index.html", b"").decode(errors="replace")
    if MARK in page:
        case.fault("page", "a value of the manifest is in the page as it was")


# Damages


def change_fields(content: bytes, random: Random, root: str) -> bytes:
    """Puts other values in fields of one or all records."""
    records = [json.loads(line) for line in content.splitlines()]
    names = random.sample(FIELDS, random.choice((1, 1, 1, 2, 5)))
    values = [random.choice((*VALUES, *STRINGS, f"{root}/a/x", f"{root}/a/b/c/d/e/work/in/face.png")) for _ in names]
    for record in records if random.random() < 0.5 else [random.choice(records)]:
        record.update(zip(names, values, strict=True))
    return dump(records)


def hostile_hash(content: bytes, random: Random, root: str) -> bytes:
    """Has the hash of a result lead out of the folder."""
    records = [json.loads(line) for line in content.splitlines()]
    for record in records:
        record["output_sha256"] = random.choice(("../" * random.randint(1, 5) + "x", f"{root}/a/x", "..", "sub/../../x", MARK))
        if random.random() < 0.5:
            record["output_size"] = record["output_mtime_ns"] = 0
    return dump(records)


def remove_fields(content: bytes, random: Random, root: str) -> bytes:
    """Takes fields out of records."""
    records = [json.loads(line) for line in content.splitlines()]
    names = random.sample(FIELDS, random.randint(1, 4))
    return dump([{name: value for name, value in record.items() if name not in names} for record in records])


def change_deep_values(content: bytes, random: Random, root: str) -> bytes:
    """Changes values at any depth, of faces above all."""
    records = [json.loads(line) for line in content.splitlines()]
    for record in records:
        for _ in range(random.randint(1, 3)):
            change_value(record if random.random() < 0.5 else record["faces"], random)
    return dump(records)


def swap_inputs(content: bytes, random: Random, root: str) -> bytes:
    """Gives records the input or the output of others."""
    records = [json.loads(line) for line in content.splitlines()]
    for name in random.choice((("input",), ("output",), ("output_sha256", "output_size", "output_mtime_ns"), ("faces",))):
        values = [record[name] for record in records]
        for record, value in zip(records, values[1:] + values[:1], strict=True):
            record[name] = value
    return dump(records)


def tear_lines(content: bytes, random: Random, root: str) -> bytes:
    """Tears, doubles or joins lines."""
    lines = content.splitlines(keepends=True)
    choices: tuple[Callable[[], bytes], ...] = (
        lambda: content[: random.randrange(len(content))],
        lambda: content.replace(b"\n", b""),
        lambda: content.replace(b"\n", b"\r\n"),
        lambda: b"\n\n".join(lines),
        lambda: b"".join(lines[::-1] * random.choice((1, 2, 50))),
        lambda: b"".join(line[: random.randrange(1, len(line))] for line in lines),
        lambda: lines[0] + b"\0" * random.choice((1, 4096)) + b"".join(lines[1:]),
    )
    return random.choice(choices)()


def other_lines(content: bytes, random: Random, root: str) -> bytes:
    """Puts in lines that are no records, or that are hard to parse."""
    lines = (
        *(b"[]", b"null", b"1", b'"text"', b"{}", b"[[[[]]]]", b"\xff\xfe\0", b"\xef\xbb\xbf{}", b"NaN", b'{"input": 1}'),
        *(b"[" * 100000, b"[" * 100000 + b"]" * 100000, b'{"a":' * 50000 + b"1" + b"}" * 50000, b"9" * 100000, b" " * 100000),
        *(
            b'{"input": ' + b"[" * 3000 + b"]" * 3000 + b"}",
            b'{"input": "\\ud800"}',
            b"1e999999",
            b'{"input": "a", "input": "b"}',
        ),
    )
    chosen = random.choice(lines) + random.choice((b"\n", b"\n", b""))
    return random.choice((content + chosen, chosen + content, chosen))


def any_bytes(content: bytes, random: Random, root: str) -> bytes:
    """Mutates the file as photos are."""
    return mutate(content, random.randbytes(500), random)


def dump(records: list[dict[str, Any]]) -> bytes:
    """Writes records as lines."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


DAMAGES: tuple[Callable[[bytes, Random, str], bytes], ...] = (
    *(change_fields, change_fields, change_fields, hostile_hash, hostile_hash, remove_fields, change_deep_values, swap_inputs),
    *(tear_lines, other_lines, any_bytes),
)
