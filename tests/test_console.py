"""What people see: control characters escaped everywhere, and tables that fit the terminal, a line for each row."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fakes import in_a_terminal

from laa_cli.console import Screen

NAME = "[red]{0}\x1b[2J\n\u202e\x9b\udcff%.jpg"
SHOWN = r"[red]{0}\x1b[2J\n\u202e\x9b\udcff%.jpg"
STYLES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def test_names_are_shown_escaped_and_data_keep_them(capsys: Any) -> None:
    screen = Screen()
    screen.say(NAME)
    screen.say_of(NAME, "done")
    screen.table(NAME, (NAME, ">n"), [(NAME, "1")])
    screen.record({"input": NAME})
    out = capsys.readouterr().out
    assert out.count(SHOWN) == 5
    assert json.loads(out.splitlines()[-1])["input"] == NAME
    screen.notice(NAME)
    screen.error(NAME)
    assert capsys.readouterr().err == f"notice: {SHOWN}\nerror: {SHOWN}\n"


def test_names_are_shown_escaped_in_progress_and_live_displays(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from laa_cli.console import Screen\n"
        "name = eval(sys.argv[1])\n"
        "for _ in Screen().track([1, 2], name): pass\n"
        "with Screen().live() as show: show(name)"
    )
    shown, _ = in_a_terminal(tmp_path, code, ascii(NAME), columns=120)
    assert shown.count(SHOWN) >= 2
    assert "\x1b[2J" not in shown
    assert not set("\u202e\x9b") & set(shown)


@pytest.mark.parametrize(
    ("patience", "shares", "appears"), [(0, (0, 0.5, 1), True), (3600, (0, 0.5, 1), False), (0, (0, 0, 1), False)]
)
def test_a_share_has_a_bar_once_it_takes_long(
    tmp_path: Path, patience: float, shares: tuple[float, ...], appears: bool
) -> None:
    code = (
        "import sys, time\n"
        "from laa_cli import console\n"
        f"console.PATIENCE_SECONDS = {patience}\n"
        "with console.Screen(data_on_stdout=True).share('background') as show:\n"
        f"    for share in {shares}: time.sleep(0.01); show(share)\n"
        "print('done')"
    )
    shown, data = in_a_terminal(tmp_path, code)
    assert ("background" in shown) == appears
    assert ("50%" in shown) == appears
    assert data == b"done\n"


def test_a_share_has_no_bar_where_nobody_looks(capfd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laa_cli.console.PATIENCE_SECONDS", -1)
    for screen in (Screen(), Screen(quiet=True)):
        with screen.share("background") as show:
            for share in (0, 0.5, 1):
                show(share)
    assert capfd.readouterr() == ("", "")


TABLE = """
from laa_cli.console import Screen
from laa_cli.single.report import RESULT_COLUMNS, RESULT_DROP, without_empty_names
lines = [("1", {name!r}, "11034, 8012", "100 px", "0.987", "125 px", "left: over --max-face 96", ""),
         ("2", "", "34, 12", "20 px", "1.000", "25 px", "restored", "3.8")]
table = without_empty_names(RESULT_COLUMNS, lines, RESULT_DROP)
Screen(data_on_stdout=True).table("a-folder/" * 20 + "photo.jpg", *table)
"""


@pytest.mark.parametrize(
    ("columns", "name", "heads"),
    [
        (100, "", ["#", "place", "face", "confidence", "crop", "done", "off by"]),
        (80, "", ["#", "place", "face", "crop", "done", "off by"]),
        (40, "", ["#", "face", "done"]),
        (20, "", ["#", "done"]),
        (120, "Ada King, Countess of Lovelace", ["#", "name", "place", "face", "confidence", "crop", "done", "off by"]),
        (60, "Ada King, Countess of Lovelace", ["#", "name", "done"]),
        (30, "Ada King, Countess of Lovelace", ["#", "name", "done"]),
    ],
)
def test_a_face_takes_one_line_at_every_width(tmp_path: Path, columns: int, name: str, heads: list[str]) -> None:
    shown, _ = in_a_terminal(tmp_path, TABLE.format(name=name), columns=columns)
    lines = STYLES.sub("", shown).splitlines()
    assert max(map(len, lines)) <= columns
    title, *rows = [line for line in lines if re.search("[a-z]", line)]
    assert len(rows) == 3
    assert re.findall(r"#|off by|\w+", rows[0]) == heads
    assert "restored" in rows[2]
    assert title.startswith("a-folder/")
    assert title.endswith("photo.jpg")


def test_nothing_is_cut_where_there_is_no_terminal(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    screen = Screen()
    screen.table("title" * 99, ("name", ">count", "why"), [("n" * 300, "7", "w" * 300)])
    screen.say_of("p" * 300, "384x384")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "title" * 99
    assert any("n" * 300 in line and "w" * 300 in line for line in lines)
    assert lines[-1] == f"{'p' * 300}: 384x384"
    assert "…" not in "".join(lines)


def test_a_line_on_a_photo_fits_the_terminal(tmp_path: Path) -> None:
    code = (
        "from laa_cli.console import Screen\nScreen(data_on_stdout=True).say_of('p' * 300 + '.jpg', '384x384, no face found')"
    )
    shown, _ = in_a_terminal(tmp_path, code)
    assert len(shown.strip()) == 80
    assert shown.strip().endswith("p.jpg: 384x384, no face found")
