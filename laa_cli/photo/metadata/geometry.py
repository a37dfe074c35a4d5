"""Turns coordinates with the pixels: from the stored picture to the upright one, for the eight EXIF orientations."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

NUMBER = re.compile(r"[+-]?(\d{1,9}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d)?")
ONE = Decimal(1)


def parse_number(text: str) -> Decimal:
    """Parses a coordinate. Raises ValueError on what is none."""
    if not NUMBER.fullmatch(text.strip()):
        raise ValueError(f"{text[:40]!r} is no coordinate")
    return Decimal(text.strip())


def format_number(value: Decimal) -> str:
    """Formats a coordinate, without an exponent."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True)
class Turn:
    """An orientation, 1-8, of a stored picture of that width and height: 1 and 1 for normalized coordinates."""

    orientation: int
    width: Decimal = ONE
    height: Decimal = ONE

    @property
    def swaps(self) -> bool:
        """Whether width and height change places."""
        return self.orientation >= 5

    def point(self, x: Decimal, y: Decimal) -> tuple[Decimal, Decimal]:
        """Turns a point."""
        if self.orientation in (2, 3, 7, 8):
            x = self.width - x
        if self.orientation in (3, 4, 6, 7):
            y = self.height - y
        return (y, x) if self.swaps else (x, y)

    def size(self, width: Decimal, height: Decimal) -> tuple[Decimal, Decimal]:
        """Turns the size of an area."""
        return (height, width) if self.swaps else (width, height)

    def corner(self, x: Decimal, y: Decimal, width: Decimal, height: Decimal) -> tuple[Decimal, Decimal]:
        """Turns a box by its upper left corner, and returns that of the turned box."""
        first, second = self.point(x, y), self.point(x + width, y + height)
        return min(first[0], second[0]), min(first[1], second[1])
