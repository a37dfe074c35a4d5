"""`laa detect` on files, with a fake detector: tables and lines."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from fakes import one_face, write_photo_of_noise

from laa_cli.console import Screen
from laa_cli.errors import Exit
from laa_cli.single.detect import run


def detect(photos: list[Path], **changes: Any) -> Exit:
    choices: dict[str, Any] = {"as_json": False, "overwrite": False, "max_pixels": 10**6} | changes
    return run(photos, None, lambda: one_face, Screen(), io.BytesIO, **choices)


def test_several_photos_have_a_line_each_and_their_faces_on_request(tmp_path: Path, capsys: Any) -> None:
    photos = [write_photo_of_noise(tmp_path / name) for name in ("a.png", "b.png")]
    assert detect(photos) == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(",")[0] for line in lines] == [f"{photo}: 40x34, faces found: 1" for photo in photos]
    assert detect(photos, list_faces=True) == Exit.OK
    assert capsys.readouterr().out.count("0.990") == 2
    assert detect(photos[:1]) == Exit.OK
    assert capsys.readouterr().out.count("0.990") == 1
