"""Text for people: nothing in a name steers the terminal, and what is shortened fits."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from laa_cli.utils.text import fit_columns, printable, shorten

CONTROLS = {"Cc", "Cs", "Zl", "Zp"}
BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@given(st.text(st.characters() | st.characters(categories=["Cc", "Cs", "Zl", "Zp"]) | st.sampled_from(sorted(BIDI))))
def test_nothing_that_steers_is_left_and_all_else_stays(text: str) -> None:
    shown = printable(text)
    steering = [c for c in text if unicodedata.category(c) in CONTROLS or c in BIDI]
    assert not any(unicodedata.category(c) in CONTROLS or c in BIDI for c in shown)
    assert printable(shown) == shown
    shown.encode()  # there is no lone surrogate in it
    if not steering:
        assert shown == text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\x1b[2Jx.jpg", r"\x1b[2Jx.jpg"),
        ("a\nb\tc\x7f.jpg", r"a\nb\tc\x7f.jpg"),
        ("\x9b31m.jpg", r"\x9b31m.jpg"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        ("\udcff.jpg", r"\udcff.jpg"),
        ("Ä é 写真 👩‍👩‍👧 ﷽.jpg", "Ä é 写真 👩‍👩‍👧 ﷽.jpg"),
        (r"C:\x1b.jpg", r"C:\x1b.jpg"),
    ],
)
def test_what_names_look_like(name: str, shown: str) -> None:
    assert printable(name) == shown


@given(st.text(st.characters(categories=["L", "N", "P", "So"])), st.integers(0, 30))
def test_what_is_shortened_fits(text: str, cells: int) -> None:
    short = shorten(text, cells)
    assert cell_len(short) <= cells
    assert short == text or cell_len(text) > cells


def test_the_middle_of_a_name_goes() -> None:
    assert shorten("a-long-name-of-a-photo.jpg", 11) == "a-lon…o.jpg"
    assert shorten("写真写真写真", 6) == "写…真"


@given(
    st.lists(st.lists(st.text("ab", max_size=40), min_size=4, max_size=4), min_size=1, max_size=5),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.integers(16, 200),
)
def test_a_table_fits_and_the_important_column_stays(lines: list[list[str]], is_text: list[bool], cells: int) -> None:
    widths = fit_columns(lines, is_text, [3, 1, 2], cells, 2)
    assert sum(widths.values()) + 2 * (len(widths) - 1) <= cells
    assert 0 in widths
    assert [place for place in (3, 1, 2) if place not in widths] == [3, 1, 2][: 4 - len(widths)]
