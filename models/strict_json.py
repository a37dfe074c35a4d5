"""Parses JSON from files that may be damaged or hostile: bounded in length and depth, without duplicate keys or NaN."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

MAX_LENGTH = 1 << 20
MAX_DEPTH = 200  # a card's history is as deep as the runs that it grew from are many


def parse_json(text: str) -> Any:
    """Parses a JSON text. Raises ValueError where it is none, or longer, deeper or looser than what laa writes."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"{len(text)} characters of JSON, over {MAX_LENGTH}")
    try:
        value = json.loads(text, object_pairs_hook=without_duplicates, parse_float=parse_float, parse_constant=refuse_constant)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error
    check_depth(value)
    return value


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Makes the dict of an object's pairs. ValueError where a key comes twice."""
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key comes twice")
    return values


def parse_float(text: str) -> float:
    """Parses a number with a fraction or an exponent. ValueError where no float is that large."""
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is too large")
    return value


def refuse_constant(name: str) -> NoReturn:
    """Raises ValueError for NaN and the infinities, which JSON does not have."""
    raise ValueError(f"{name} is no JSON")


def check_depth(value: Any) -> None:
    """Raises ValueError where lists and objects are nested too deeply."""
    level = [value]
    for _ in range(MAX_DEPTH):
        children = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [item for group in children for item in group]
        if not level:
            return
    raise ValueError("JSON nested too deeply")
