"""From the command line's words to the network's configuration."""

from __future__ import annotations

from dataclasses import fields

from models.config import LAAConfig
from models.protocol import HR_SIZE

from ..errors import Exit, LaaError

PAPER_WIDTH = LAAConfig().base_channels
KINDS = {"int": int, "float": float}
FIXED = {"base_channels": "is --width", "image_size": f"is {HR_SIZE} in the protocol"}


def parse_model_config(width: int, settings: list[str]) -> LAAConfig:
    """The network of --width and --set NAME=VALUE. Raises LaaError on what it has no setting for, or cannot build."""
    try:
        return LAAConfig.from_dict({"base_channels": width} | dict(map(parse_setting, settings)))
    except ValueError as error:
        raise LaaError(f"--set or --width: {error}", Exit.USAGE) from error


def parse_setting(text: str) -> tuple[str, int | float | str]:
    """One NAME=VALUE."""
    name, equals, value = text.partition("=")
    known = {field.name: str(field.type) for field in fields(LAAConfig) if field.name not in FIXED}
    if name in FIXED:
        raise LaaError(f"--set {name}: this {FIXED[name]}", Exit.USAGE)
    if not equals or name not in known:
        raise LaaError(f"--set takes NAME=VALUE with one of {', '.join(known)}, not {text!r}", Exit.USAGE)
    try:
        return name, KINDS.get(known[name], str)(value)
    except ValueError:
        raise LaaError(f"--set {name} takes a number, not {value!r}", Exit.USAGE) from None
