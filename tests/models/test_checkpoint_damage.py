"""Checkpoints that were damaged or made up: each is refused in one line, or gives the tensors that were written."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import TINY_CARD, damaged

from models.checkpoint import METADATA_KEY, CheckpointError, ModelCard, load
from models.laa.network import LAATransformer
from models.tensor_file import serialize


def header_end(content: bytes) -> int:
    return 8 + int.from_bytes(content[:8], "little")


@pytest.mark.parametrize("seed", range(4))
def test_no_damage_gives_other_tensors(good: Path, network: LAATransformer, seed: int) -> None:
    content, random, refused = good.read_bytes(), np.random.default_rng(seed), 0
    end = header_end(content)
    for number in range(60):
        in_the_header = number % 2
        part, rest = (content[:end], content[end:]) if in_the_header else (content, b"")
        changed = damaged(part, random) + rest
        if changed == content:
            continue
        good.write_bytes(changed)
        try:
            again, card = load(good)
        except CheckpointError as error:
            assert len(str(error)) < 600
            refused += 1
            continue
        assert card == TINY_CARD
        for name, tensor in network.state_dict().items():
            assert torch.equal(again.state_dict()[name], tensor), name
    assert refused > 50


def test_every_bit_of_the_tensors_counts(good: Path) -> None:
    content, random = good.read_bytes(), np.random.default_rng(0)
    for place in random.integers(header_end(content), len(content), 40):
        changed = bytearray(content)
        changed[place] ^= 1 << int(random.integers(8))
        good.write_bytes(changed)
        with pytest.raises(CheckpointError, match="does not fit its SHA-256"):
            load(good)


def test_two_tensors_of_equal_shape_that_change_places(good: Path) -> None:
    content = good.read_bytes()
    names = (b'"head.bias"', b'"extract.0.0.mlp_norm.weight"')
    assert all(content.count(name) == 1 for name in names)
    swapped = content.replace(names[0], b"<1st>").replace(names[1], names[0]).replace(b"<1st>", names[1])
    good.write_bytes(swapped)
    with pytest.raises(CheckpointError, match="is damaged: its content does not fit its SHA-256: get the file again"):
        load(good)


def test_a_card_that_was_changed_by_hand(good: Path) -> None:
    good.write_bytes(good.read_bytes().replace(b"1.5}", b"2.5}"))
    with pytest.raises(CheckpointError, match="is damaged: its content does not fit its SHA-256"):
        load(good)


def test_a_digest_whose_name_was_damaged_is_not_an_older_file(good: Path) -> None:
    good.write_bytes(good.read_bytes().replace(b'"sha256"', b'"sha257"'))
    with pytest.raises(CheckpointError, match="is damaged: it has unknown metadata"):
        load(good)


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


# What a card's field may hold instead of what it should.
WRONG: list[Any] = [
    None, True, -1, 0, 10**9, 10**400, 1.5, -1e308, "", "text", "x" * 100_000, [], [1], [1, 2, 3], ["a", "b"], [16, 10**300],
    {}, {"x": 1}, [[16, 96]], [0.5, None], [10**400], "12", deep(150),
]  # fmt: skip
FIELDS = ["format", "name", "architecture", "config", "protocol", "crop_px", "gauge", "training", "validation"]
SETTINGS = list(TINY_CARD.config.to_dict())


@pytest.mark.parametrize("field", [*FIELDS, *SETTINGS])
def test_a_card_with_a_wrong_value_is_one_line_or_fits(good: Path, network: LAATransformer, field: str) -> None:
    """The digest fits: whoever wrote this meant it."""
    for wrong in WRONG:
        values = json.loads(TINY_CARD.to_json())
        (values["config"] if field in SETTINGS else values)[field] = wrong
        good.write_bytes(serialize(network.half().state_dict(), {METADATA_KEY: json.dumps(values)}))
        try:
            again, card = load(good)
        except CheckpointError as error:
            assert "\n" not in str(error)
            assert len(str(error)) < 600
        else:
            assert again(torch.rand(1, 3, card.config.image_size, card.config.image_size)).isfinite().all()
            assert ModelCard.from_json(card.to_json()) == card
        values = json.loads(TINY_CARD.to_json())
        (values["config"] if field in SETTINGS else values).pop(field, None)
        good.write_bytes(serialize(network.half().state_dict(), {METADATA_KEY: json.dumps(values)}))
        with suppress(CheckpointError):
            load(good)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ("[]", "the card is"),
        ("[" * 10**5, "nested too deeply"),
        ('{"a":' * 10**4, "nested too deeply"),
        ("[" * 300 + "]" * 300, "nested too deeply"),
        (TINY_CARD.to_json()[:-1], "Expecting"),
        (TINY_CARD.to_json().replace('"gain_db": 1.5', '"gain_db": NaN'), "NaN is no JSON"),
        (TINY_CARD.to_json().replace('"gain_db": 1.5', '"gain_db": -Infinity'), "-Infinity is no JSON"),
        (TINY_CARD.to_json().replace('"gain_db": 1.5', '"gain_db": 1e999'), "a number is too large"),
        (TINY_CARD.to_json().replace('"gain_db": 1.5', '"gain_db": ' + "9" * 5000), "Exceeds the limit"),
        (TINY_CARD.to_json().replace('"gain_db": 1.5', '"gain_db": 1.5, "gain_db": 2'), "a key comes twice"),
        (TINY_CARD.to_json() + " " * (2 << 20), "characters of JSON"),
    ],
)
def test_a_text_that_is_no_card(text: str, why: str) -> None:
    with pytest.raises(CheckpointError, match=rf"^has an unusable description \(.*{why}.*\): get the file again$"):
        ModelCard.from_json(text)
