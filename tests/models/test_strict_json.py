"""JSON from files that may be hostile: what laa writes comes back, all else is a ValueError."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.strict_json import parse_json

NUMBERS = st.integers(-(10**300), 10**300) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(VALUES)
def test_what_is_written_comes_back(value: Any) -> None:
    assert parse_json(json.dumps(value)) == value


@given(VALUES, st.data())
def test_damaged_text_is_a_value_error_or_json(value: Any, data: st.DataObject) -> None:
    text = json.dumps(value)
    place = data.draw(st.integers(0, len(text)))
    changed = text[:place] + data.draw(st.sampled_from(["", "[", '"', "NaN", "1e999", "{", ":", "\\u"])) + text[place + 1 :]
    try:
        json.dumps(parse_json(changed), allow_nan=False)
    except ValueError as error:
        assert "Out of range" not in str(error)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ("[" * 10**5, "nested too deeply"),
        ('{"a":' * 10**4, "nested too deeply"),
        ("[" * 300 + "]" * 300, "nested too deeply"),
        ('{"a": NaN}', "NaN is no JSON"),
        ("[-Infinity]", "-Infinity is no JSON"),
        ("1e999", "a number is too large"),
        ("9" * 5000, "Exceeds the limit"),
        ('{"a": {"b": 1, "c": 2, "b": 1}}', "a key comes twice"),
        (" " * (2 << 20), "characters of JSON"),
    ],
)
def test_what_no_program_writes_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_json(text)
