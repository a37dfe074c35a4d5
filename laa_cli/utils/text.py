"""Text for people: characters that steer a terminal shown escaped, long names shortened, tables fitted to a width."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich.cells import cell_len

ELLIPSIS = "…"
SHORTEST_CELLS = 24  # to which texts are shortened before a column is dropped for them
# C0, DEL and C1; Unicode's Bidi_Control; the separators of lines and paragraphs; surrogates, which are of names in no UTF-8
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Escapes what would steer a terminal or turn a line around, as in \x1b and \n; letters, accents and emoji stay."""
    return UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def shorten(text: str, cells: int) -> str:
    """Shortens a text in its middle to at most so many cells of a terminal: a name's beginning and its end count most."""
    if cell_len(text) <= cells:
        return text
    tail = (cells - 1) // 2
    return f"{first_cells(text, cells - 1 - tail)}{ELLIPSIS}{first_cells(text[::-1], tail)[::-1]}" if cells > 0 else ""


def first_cells(text: Iterable[str], cells: int) -> str:
    """Returns the first characters that take at most so many cells together."""
    taken = ""
    for character in text:
        cells -= cell_len(character)
        if cells < 0:
            break
        taken += character
    return taken


def fit_columns(
    lines: Sequence[Sequence[str]], is_text: Sequence[bool], drop: Sequence[int], cells: int, gap: int
) -> dict[int, int]:
    """Fits a table of one line a row into `cells`: returns the columns that stay, and the width of each.

    `is_text`: the columns whose cells may be shortened. `drop`: those that may go, the least important first; one goes where
    the texts would become too short to be read. `gap`: cells between two columns.
    """
    natural = {place: max(cell_len(line[place]) for line in lines) for place in range(len(is_text))}
    least = {place: min(width, SHORTEST_CELLS) if is_text[place] else width for place, width in natural.items()}
    for place in drop:
        if sum(least.values()) + gap * (len(least) - 1) <= cells:
            break
        del least[place]
    widths = {place: natural[place] for place in least}
    excess = sum(widths.values()) + gap * (len(widths) - 1) - cells
    for _ in range(max(excess, 0)):
        widest = max(widths, key=lambda place: (is_text[place] and widths[place] > 3, widths[place]))
        widths[widest] = max(1, widths[widest] - 1)
    return widths
