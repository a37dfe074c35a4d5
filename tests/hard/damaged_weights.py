"""Cases of damaged weights and training states: refused, or of the same results as the intact file."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from safetensors import safe_open

from . import mutation
from .case import Case
from .fixtures import STATE, TINY, TRAIN, TRAINING_BYTES, TWICE, WEIGHTS, copy

Header = dict[str, Any]


def upscale_with_weights(case: Case) -> None:
    """Damaged weights for `upscale`: no other face may come of them."""
    fixture = case.fixtures.get("weights")
    weights = damage_into(case, fixture / WEIGHTS, case.sandbox.source / WEIGHTS)
    copy(fixture / "face.png", case.sandbox.source / "face.png")
    result = case.sandbox.out / "result.png"
    outcome = case.run("upscale", "in/face.png", "-o", result, *TWICE, "--weights", weights, outputs=[case.sandbox.out])
    written = result.exists()
    if written != (outcome.code == 0) and not outcome.hung:
        case.fault("exit code", f"{outcome.code}, {'with' if written else 'without'} the output")
    if written and result.read_bytes() != (fixture / "result.png").read_bytes():
        case.fault("accepted damage", f"another result of {case.notes[-1]}")


def train_from_weights(case: Case) -> None:
    """Damaged weights for `train --init-from`."""
    fixture = case.fixtures.get("training")
    weights = damage_into(case, fixture / "run" / WEIGHTS, case.sandbox.source / WEIGHTS)
    train(case, fixture / "from-weights", "--init-from", str(weights))


def resume_training(case: Case) -> None:
    """A damaged state for `train --resume`."""
    fixture = case.fixtures.get("training")
    case.sandbox.out.mkdir()
    damage_into(case, fixture / "half" / STATE, case.sandbox.out / STATE)
    outcome = train(case, fixture / "resumed", *TINY, "--resume")
    if b"diverged" in outcome.stderr:
        case.fault("reason", "a damaged state is called diverged")


def train(case: Case, intact: Path, *arguments: str) -> Any:
    """Trains with a damaged file; the tensors that come of it must be those of `intact`, or none."""
    for name in ("faces", "validation"):
        copy(case.fixtures.get("faces") / name, case.sandbox.work / name)
    outcome = case.run(*TRAIN, "-o", "out", *arguments, outputs=[case.sandbox.out], peak_bytes=TRAINING_BYTES)
    result = case.sandbox.out / WEIGHTS
    if outcome.code == 0 and not result.exists():
        case.fault("exit code", "0, but no weights")
    elif outcome.code == 0 and not same_tensors(result, intact / WEIGHTS):
        case.fault("accepted damage", f"another result of {case.notes[-1]}")
    return outcome


def same_tensors(path: Path, other: Path) -> bool:
    """Whether two safetensors files hold the same tensors."""
    with safe_open(path, "np") as first, safe_open(other, "np") as second:
        names = set(first.keys())
        return names == set(second.keys()) and all(
            np.array_equal(first.get_tensor(name), second.get_tensor(name)) for name in names
        )


def damage_into(case: Case, intact: Path, target: Path) -> Path:
    """Writes a damaged copy of a file."""
    damage = case.random.choice(DAMAGES)
    target.write_bytes(damage(intact.read_bytes(), case.random))
    case.files += 1
    case.notes.append(damage.__name__)
    return target


# Damages


def split(content: bytes) -> tuple[Header, bytes]:
    """Splits a safetensors file into its header and its tensors' bytes."""
    (length,) = struct.unpack_from("<Q", content)
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def join(header: Header | bytes, tensors: bytes) -> bytes:
    """Puts a safetensors file together."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + tensors


def flip_tensor_bits(content: bytes, random: Random) -> bytes:
    """Flips bits of tensors."""
    start = 8 + struct.unpack_from("<Q", content)[0]
    mutated = bytearray(content)
    for _ in range(random.choice((1, 1, 4, 100))):
        mutated[random.randrange(start, len(mutated))] ^= 1 << random.randrange(8)
    return bytes(mutated)


def flip_header_bits(content: bytes, random: Random) -> bytes:
    """Flips bits of the header."""
    end = 8 + struct.unpack_from("<Q", content)[0]
    mutated = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 8))):
        mutated[random.randrange(end)] ^= 1 << random.randrange(8)
    return bytes(mutated)


def overwrite_tensors(content: bytes, random: Random) -> bytes:
    """Overwrites a piece of the tensors, such as a bad sector, with zeros or noise, or with a piece from elsewhere."""
    start = 8 + struct.unpack_from("<Q", content)[0]
    length = min(random.choice((2, 512, 4096, 1 << 16)), len(content) - start)
    at, other = (random.randrange(start, len(content) - length + 1) for _ in range(2))
    piece = random.choice((bytes(length), random.randbytes(length), content[other : other + length]))
    return content[:at] + piece + content[at + length :]


def swap_tensors(content: bytes, random: Random) -> bytes:
    """Swaps the places of two tensors of one shape."""
    header, tensors = split(content)
    names = [name for name in header if name != "__metadata__"]
    random.shuffle(names)
    for first in names:
        for second in names:
            if first != second and header[first]["shape"] == header[second]["shape"]:
                places = header[first]["data_offsets"], header[second]["data_offsets"]
                header[second]["data_offsets"], header[first]["data_offsets"] = places
                return join(header, tensors)
    return flip_tensor_bits(content, random)


def cut(content: bytes, random: Random) -> bytes:
    """Cuts the file off, or hangs something on."""
    return random.choice((content[: random.randrange(len(content))], content[: -random.randint(1, 64)], content + bytes(8)))


def mutate_bytes(content: bytes, random: Random) -> bytes:
    """Mutates the first bytes as those of photos."""
    return mutation.mutate(content[:4096], content[4096:8192], random) + content[4096:]


def change_metadata(content: bytes, random: Random) -> bytes:
    """Puts another value in an entry of the metadata, or of the card in it, at any depth."""
    header, tensors = split(content)
    metadata = header.setdefault("__metadata__", {})
    name = random.choice(sorted(metadata))
    try:
        card = json.loads(metadata[name])
    except ValueError:
        card = None
    if isinstance(card, dict) and random.random() < 0.9:
        change_value(card, random)
        metadata[name] = json.dumps(card)
    else:
        metadata[name] = random.choice((*TEXTS, "{}", "[" * 5000 + "]" * 5000, '{"a":' * 5000 + "1" + "}" * 5000))
    return join(header, tensors)


def change_value(values: Any, random: Random) -> None:
    """Changes, removes or adds an entry of nested JSON."""
    keys = sorted(values) if isinstance(values, dict) else list(range(len(values)))
    if not keys:
        return
    key = random.choice(keys)
    if isinstance(values[key], dict | list) and random.random() < 0.7:
        change_value(values[key], random)
    elif random.random() < 0.2:
        del values[key]
    else:
        values[key] = random.choice(VALUES)


def other_file(content: bytes, random: Random) -> bytes:
    """No weights at all."""
    deep = b'{"__metadata__":{"laa":"' + b"[" * 20000 + b'"}}'
    return random.choice(
        (b"", b"\0" * 100, pickle.dumps({"a": 1}), b"PK\3\4" + content[:1000], b"\x89PNG\r\n\x1a\n", deep, join(deep, b""),
         join({"__metadata__": {}}, b""), join({}, b""), struct.pack("<Q", 1 << 62) + b"{}", b'{"a": 1}')
    )  # fmt: skip


VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        1,
        3,
        64,
        1 << 20,
        1 << 62,
        10**40,
        1e308,
        -0.5,
        0.21,
        float("nan"),
        float("inf"),
        "",
        "text",
        "\x1b[2J",
    ),
    *([], {}, [1, 2], {"a": 1}, [[[[[]]]]], ["x"] * 50, "9" * 5000),
)
TEXTS = ("", "0", "-1", "nan", "1e999", "9" * 5000, "\x1b[2Jname", "None", "text")
DAMAGES: tuple[Callable[[bytes, Random], bytes], ...] = (
    *(
        flip_tensor_bits,
        flip_tensor_bits,
        flip_tensor_bits,
        flip_header_bits,
        flip_header_bits,
        overwrite_tensors,
        overwrite_tensors,
    ),
    *(swap_tensors, cut, mutate_bytes, change_metadata, change_metadata, change_metadata, other_file),
)
