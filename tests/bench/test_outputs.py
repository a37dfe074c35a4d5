"""The files that `laa bench` writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from laa_cli.bench.outputs import check_outputs, write_outputs
from laa_cli.errors import Exit, LaaError
from laa_cli.utils.inputs import NO_INPUTS, Inputs


def test_outputs_are_checked_and_what_killed_runs_left_beside_them_goes(tmp_path: Path) -> None:
    data, page, sheet = (tmp_path / name for name in ("face.png", "page.html", "sheet.png"))
    data.write_bytes(b"precious")
    (tmp_path / ".laa-1.part").touch()
    check_outputs([page, sheet], Inputs.of([data]), overwrite=False)
    assert os.listdir(tmp_path) == ["face.png"]
    with pytest.raises(LaaError, match=r"face\.png is an input of this run"):
        check_outputs([page, data], Inputs.of([data]), overwrite=True)
    with pytest.raises(LaaError, match="two of the results would have one name") as error:
        check_outputs([page, tmp_path / "." / "page.html"], NO_INPUTS, overwrite=True)
    assert error.value.code == Exit.USAGE


def test_a_file_that_fails_after_others_were_written_says_so(tmp_path: Path) -> None:
    page, taken, last = tmp_path / "page.html", tmp_path / "taken", tmp_path / "last"
    check_outputs([page, taken], NO_INPUTS, overwrite=False)
    taken.touch()
    with pytest.raises(LaaError, match=r"taken exists already: .*; written: .*page\.html$") as error:
        write_outputs({page: b"page", taken: b"", last: b""}, NO_INPUTS, overwrite=False)
    assert error.value.code == Exit.PARTLY
    assert sorted(os.listdir(tmp_path)) == ["page.html", "taken"]
    with pytest.raises(LaaError, match="exists already") as error:
        write_outputs({taken: b"", last: b""}, NO_INPUTS, overwrite=False)
    assert error.value.code == Exit.FAILED
