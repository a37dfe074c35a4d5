"""The log of a run."""

from __future__ import annotations

from pathlib import Path

from laa_cli.train.log import append_row, read_rows


def test_the_log_forgets_what_a_resumed_run_lost(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    for step in (1, 2, 3):
        append_row(path, {"step": step, "loss": 0.1})
    append_row(path, {"step": 2, "loss": 0.2, "new": 5})
    assert [(row["step"], row["loss"], row["new"]) for row in read_rows(path)] == [
        ("1", "0.1", ""),
        ("2", "0.1", ""),
        ("2", "0.2", "5"),
    ]
