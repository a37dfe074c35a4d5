"""NAME=VALUE settings of a network's configuration, as the command line has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ..errors import UsageError

Parse = Callable[[str], Any]  # reads a value; ValueError where it is none
Fixed = Mapping[str, tuple[str, ...]]


def parse_settings(settings: list[str], types: dict[str, Parse], fixed: Fixed = MappingProxyType({})) -> dict[str, Any]:
    """Parses settings by their `types`. UsageError names the option, `set`.

    `fixed`: names that are no settings: why, and the parameters that the reason names.
    """
    return dict(parse_setting(text, types, fixed) for text in settings)


def parse_setting(text: str, types: dict[str, Parse], fixed: Fixed) -> tuple[str, Any]:
    """Parses one NAME=VALUE."""
    name, equals, value = text.partition("=")
    if name in fixed:
        reason, *parameters = fixed[name]
        raise UsageError(f"set {name}: this {reason}", "set", *parameters)
    if not equals or name not in types:
        raise UsageError(f"set takes NAME=VALUE with one of {', '.join(types)}, not {text!r}", "set")
    try:
        return name, types[name](value)
    except ValueError:
        raise UsageError(f"set {name} takes a number, not {value!r}", "set") from None
